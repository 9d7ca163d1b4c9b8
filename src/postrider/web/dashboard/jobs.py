"""Jobs: what is done to many deliveries at once, how far it has come, and how to stop it or take it back."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from postrider.domain.delivery import DeliveryStatus
from postrider.domain.errors import NotFound
from postrider.pipeline import redrive
from postrider.services import Services
from postrider.store import audit_log, integrations, jobs
from postrider.store.audit_log import AuditFilter
from postrider.store.engine import Transaction
from postrider.store.integrations import IntegrationHead
from postrider.store.jobs import Job, JobKind, JobStatus
from postrider.web import error_words
from postrider.web.auth import ServicesDep

from .filters import PageFilter
from .notices import went_well
from .pages import show
from .paging import ways
from .session import DeliveryReader, Redriver, Session
from .standings import who
from .words import exact

PAGE = 50
SECTION = "/jobs"
KINDS = {JobKind.REDRIVE: "Redrive", JobKind.DISCARD: "Discard", JobKind.UNDO_DISCARD: "Undo of a discard"}
_ENDED = (JobStatus.DONE, JobStatus.CANCELLED)

router = APIRouter()


@router.get(SECTION)
def list_jobs(
    request: Request, services: ServicesDep, session: DeliveryReader, query: Annotated[PageFilter, Query()]
) -> Response:
    """List jobs, newest first."""
    with services.database.read() as tx:
        found = jobs.page(tx, session.tenant_id, before=query.before, limit=PAGE + 1)
        targets = _targets(tx, session, found)
    return show(
        request,
        session,
        "jobs.html",
        section=SECTION,
        rows=[(job, which(job, targets)) for job in found[:PAGE]],
        kinds=KINDS,
        ways=ways(SECTION, query, found, shown=PAGE),
    )


@router.get("/jobs/{job_id}")
def show_job(request: Request, services: ServicesDep, session: DeliveryReader, job_id: UUID) -> Response:
    """Show a job and its progress."""
    with services.database.read() as tx:
        job = jobs.get(tx, session.tenant_id, job_id)
        if job is None:
            raise NotFound("no such job")
        targets = _targets(tx, session, [job])
        started_by = _started_by(tx, session, job)
    return show(
        request,
        session,
        "job.html",
        section=SECTION,
        job=job,
        title=KINDS[job.kind],
        which=which(job, targets),
        started_by=started_by,
        ends_at=ends_at(job, services.clock.now()),
        undoable=job.kind is JobKind.DISCARD and job.status in _ENDED and job.done > 0,
    )


@router.post("/jobs/{job_id}/pause")
def pause_job(request: Request, services: ServicesDep, session: Redriver, job_id: UUID) -> Response:
    """Stop a running job for now."""
    return _changed(request, services, session, job_id, JobStatus.PAUSED, "It is paused.")


@router.post("/jobs/{job_id}/resume")
def resume_job(request: Request, services: ServicesDep, session: Redriver, job_id: UUID) -> Response:
    """Let a paused job go on."""
    return _changed(request, services, session, job_id, JobStatus.RUNNING, "It goes on.")


@router.post("/jobs/{job_id}/cancel")
def cancel_job(request: Request, services: ServicesDep, session: Redriver, job_id: UUID) -> Response:
    """End a job."""
    return _changed(
        request, services, session, job_id, JobStatus.CANCELLED, "It is cancelled. What it has done stays done."
    )


@router.post("/jobs/{job_id}/undo")
def undo_job(request: Request, services: ServicesDep, session: Redriver, job_id: UUID) -> Response:
    """Make dead letters again of what a job has discarded."""
    undo = redrive.undo_job(services, session.tenant_id, job_id, by=session.actor)
    return went_well(request, f"{SECTION}/{undo.id}", "What was discarded becomes dead letters again.")


def _changed(
    request: Request, services: Services, session: Session, job_id: UUID, to: JobStatus, notice: str
) -> Response:
    redrive.change_job(services, session.tenant_id, job_id, to=to, by=session.actor)
    return went_well(request, f"{SECTION}/{job_id}", notice)


def _targets(tx: Transaction, session: Session, its: list[Job]) -> dict[UUID, IntegrationHead]:
    ids = {job.filter.integration_id for job in its if job.filter.integration_id is not None}
    return integrations.heads(tx, session.tenant_id, ids)


def _started_by(tx: Transaction, session: Session, job: Job) -> str | None:
    """Tell who started a job: the oldest of its few entries in the audit log says it."""
    found = audit_log.page(
        tx, session.tenant_id, AuditFilter(object_id=str(job.id)), own_actors=False, before=None, limit=PAGE
    )
    return who(found[-1].actor, session.tenant_id) if found else None


def which(job: Job, targets: dict[UUID, IntegrationHead]) -> str:
    """Say in words which deliveries a job takes."""
    wanted = job.filter
    if wanted.discarded_by is not None:
        return "What an earlier job discarded"
    dead = wanted.statuses == (DeliveryStatus.DEAD,)
    what = "dead letters" if dead else f"{' or '.join(wanted.statuses)} deliveries"
    words = [f"{len(wanted.ids)} chosen {what}" if wanted.ids else f"All {what}"]
    if wanted.integration_id is not None:
        target = targets.get(wanted.integration_id)
        words.append(f"to {target.name if target else 'an integration that is gone'}")
    if wanted.error is not None:
        words.append(f"with {error_words.title(wanted.error)}" if wanted.error else "without an error")
    if wanted.event_type is not None:
        words.append(f"of {wanted.event_type}")
    if wanted.event_id is not None:
        words.append(f"of the event {wanted.event_id}")
    if wanted.since is not None:
        words.append(f"made since {exact(wanted.since)}")
    if wanted.until is not None:
        words.append(f"made before {exact(wanted.until)}")
    return " ".join(words)


def ends_at(job: Job, now: datetime) -> datetime | None:
    """Estimate when a running job ends: by its rate, or by how fast it has been. None when that cannot be told."""
    left = job.total - job.done
    if job.status is not JobStatus.RUNNING or left <= 0:
        return None
    if job.rate:
        return max(now, job.next_due_at or now) + timedelta(seconds=left / job.rate)
    return now + (now - job.created_at) / job.done * left if job.done else None
