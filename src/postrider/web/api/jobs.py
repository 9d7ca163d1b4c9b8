"""Jobs: something done to every delivery that a filter takes, and how far it has come."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, Self
from uuid import UUID

from fastapi import Request

from postrider.domain.access import Caller
from postrider.domain.delivery import DeliveryStatus
from postrider.domain.errors import NotFound
from postrider.pipeline import redrive
from postrider.services import Services
from postrider.store import jobs
from postrider.store.deliveries import DeliveryFilter
from postrider.store.jobs import Job, JobKind, JobStatus
from postrider.web.auth import ServicesDep
from postrider.web.errors import NOT_FOUND
from postrider.web.openapi import answers, operations

from .deliveries import Reader, Redriver
from .fields import Changed, ChangingMeta, One, Shown
from .paging import Listed, PageDep, listed

router = operations("Jobs")


class FilterDocument(Shown):
    """Which deliveries a job takes; null takes all."""

    statuses: list[DeliveryStatus]
    integration_id: UUID | None
    event_id: UUID | None
    event_type: str | None
    error: str | None
    since: datetime | None
    until: datetime | None
    ids: list[UUID]
    discarded_by: UUID | None
    """Only what this job has discarded."""


class JobLinks(Shown):
    """Where the job can be watched."""

    self: str


class JobDocument(Shown):
    """A job and its progress."""

    id: UUID
    type: Literal["job"] = "job"
    kind: JobKind
    status: JobStatus
    filter: FilterDocument
    reason: str
    rate: float | None
    """Deliveries a second; null: as fast as they go."""
    total: int
    """How many deliveries the filter took when the job was made."""
    done: int
    """How many were moved so far; those that moved otherwise meanwhile are not counted."""
    links: JobLinks
    meta: ChangingMeta

    @classmethod
    def of(cls, job: Job) -> Self:
        return cls(
            id=job.id,
            kind=job.kind,
            status=job.status,
            filter=_filter(job.filter),
            reason=job.reason,
            rate=job.rate,
            total=job.total,
            done=job.done,
            links=JobLinks(self=f"/v2/jobs/{job.id}"),
            meta=ChangingMeta(timestamps=Changed(created_at=job.created_at, updated_at=job.updated_at)),
        )


@router.get("/v2/jobs")
def list_jobs(request: Request, services: ServicesDep, caller: Reader, page: PageDep) -> Listed[JobDocument]:
    """List jobs, newest first."""
    with services.database.read() as tx:
        rows = jobs.page(tx, caller.tenant_id, before=page.cursor, limit=page.fetch)
    return listed(request, page, rows, JobDocument.of)


@router.get("/v2/jobs/{job_id}")
def get_job(services: ServicesDep, caller: Reader, job_id: UUID) -> One[JobDocument]:
    """Read a job with its progress."""
    with services.database.read() as tx:
        job = jobs.get(tx, caller.tenant_id, job_id)
    if job is None:
        raise NotFound(NOT_FOUND)
    return One(data=JobDocument.of(job))


@router.post("/v2/jobs/{job_id}/pause", responses=answers(409))
def pause_job(services: ServicesDep, caller: Redriver, job_id: UUID) -> One[JobDocument]:
    """Stop a running job for now."""
    return _changed(services, caller, job_id, JobStatus.PAUSED)


@router.post("/v2/jobs/{job_id}/resume", responses=answers(409))
def resume_job(services: ServicesDep, caller: Redriver, job_id: UUID) -> One[JobDocument]:
    """Let a paused job go on."""
    return _changed(services, caller, job_id, JobStatus.RUNNING)


@router.post("/v2/jobs/{job_id}/cancel", responses=answers(409))
def cancel_job(services: ServicesDep, caller: Redriver, job_id: UUID) -> One[JobDocument]:
    """End a job; what it has done stays done."""
    return _changed(services, caller, job_id, JobStatus.CANCELLED)


@router.post("/v2/jobs/{job_id}/undo", status_code=202, responses=answers(409))
def undo_job(services: ServicesDep, caller: Redriver, job_id: UUID) -> One[JobDocument]:
    """Make dead letters again of what a job has discarded, as a new job; only once it has ended."""
    return One(data=JobDocument.of(redrive.undo_job(services, caller.tenant_id, job_id, by=caller.actor)))


def _changed(services: Services, caller: Caller, job_id: UUID, to: JobStatus) -> One[JobDocument]:
    return One(data=JobDocument.of(redrive.change_job(services, caller.tenant_id, job_id, to=to, by=caller.actor)))


def _filter(wanted: DeliveryFilter) -> FilterDocument:
    return FilterDocument.model_validate(wanted, from_attributes=True)
