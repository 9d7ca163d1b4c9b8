"""Stored jobs: redrive, discard or take that back, by filter, in steps that survive a restart."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, and_, bindparam, case, delete, exists, insert, or_, select, update

from postrider.domain.delivery import DeliveryStatus
from postrider.domain.ids import first_at

from .deliveries import DeliveryFilter
from .engine import Transaction
from .tables import jobs, status_is
from .types import Instant


class JobKind(StrEnum):
    """What a job does to each delivery."""

    REDRIVE = "redrive"
    DISCARD = "discard"
    UNDO_DISCARD = "undo_discard"


class JobStatus(StrEnum):
    """Where a job stands."""

    RUNNING = "running"
    PAUSED = "paused"
    CANCELLED = "cancelled"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Job:
    """Something done to every delivery that a filter takes."""

    id: UUID
    tenant_id: UUID
    kind: JobKind
    status: JobStatus
    filter: DeliveryFilter
    reason: str
    rate: float | None
    total: int
    done: int
    cursor: UUID | None
    upto: UUID
    next_due_at: datetime | None
    created_at: datetime
    updated_at: datetime


def add(tx: Transaction, job: Job) -> None:
    """Store a new job."""
    tx.execute(
        insert(jobs).values(
            id=job.id,
            tenant_id=job.tenant_id,
            kind=job.kind.value,
            status=job.status.value,
            filter=_filter_json(job.filter),
            reason=job.reason,
            rate=job.rate,
            total=job.total,
            done=job.done,
            cursor=job.cursor,
            upto=job.upto,
            next_due_at=job.next_due_at,
            created_at=job.created_at,
            updated_at=job.updated_at,
        )
    )


def get(tx: Transaction, tenant_id: UUID, job_id: UUID) -> Job | None:
    """Read one job."""
    row = tx.execute(_all().where(jobs.c.tenant_id == tenant_id, jobs.c.id == job_id)).one_or_none()
    return None if row is None else _job(row)


def page(tx: Transaction, tenant_id: UUID, *, before: UUID | None, limit: int) -> list[Job]:
    """List a tenant's jobs, newest first."""
    query = _all().where(jobs.c.tenant_id == tenant_id)
    if before is not None:
        query = query.where(jobs.c.id < before)
    return [_job(row) for row in tx.execute(query.order_by(jobs.c.id.desc()).limit(limit))]


def _has_a_step(before: datetime | ColumnElement[datetime]) -> ColumnElement[bool]:
    return and_(status_is(jobs.c.status, "running"), or_(jobs.c.next_due_at.is_(None), jobs.c.next_due_at <= before))


ANY_RUNNING = exists().where(_has_a_step(bindparam("before", type_=Instant())))
"""Says in SQL that some job has something to do before a moment."""


def any_tenant_running(tx: Transaction, *, before: datetime, limit: int) -> list[Job]:
    """Lock running jobs that have something to do before a moment, the longest untouched first.

    Those that another worker has in hand are left out.
    """
    query = _all().where(_has_a_step(before)).order_by(jobs.c.updated_at).limit(limit).with_for_update(skip_locked=True)
    return [_job(row) for row in tx.execute(query)]


def step(
    tx: Transaction,
    job: Job,
    *,
    moved: int,
    cursor: UUID | None,
    next_due_at: datetime | None,
    finished: bool,
    now: datetime,
) -> None:
    """Note how far a job has come; what came under its filter since it was started is counted as its own."""
    done = jobs.c.done + moved
    tx.execute(
        update(jobs)
        .where(jobs.c.tenant_id == job.tenant_id, jobs.c.id == job.id, jobs.c.status == "running")
        .values(
            done=done,
            total=case((done > jobs.c.total, done), else_=jobs.c.total),
            cursor=cursor,
            next_due_at=next_due_at,
            status="done" if finished else "running",
            updated_at=now,
        )
    )


def set_status(
    tx: Transaction,
    tenant_id: UUID,
    job_id: UUID,
    *,
    to: JobStatus,
    from_statuses: tuple[JobStatus, ...],
    now: datetime,
) -> bool:
    """Pause, resume or cancel; False when its present status does not allow it."""
    done = tx.execute(
        update(jobs)
        .where(jobs.c.tenant_id == tenant_id, jobs.c.id == job_id)
        .where(jobs.c.status.in_([status.value for status in from_statuses]))
        .values(status=to.value, updated_at=now)
    )
    return done.rowcount == 1


def any_tenant_forget(tx: Transaction, *, before: datetime, limit: int) -> int:
    """Delete the oldest jobs that ended before a moment, done or cancelled; tells how many."""
    old = (
        select(jobs.c.id)
        # By the id, which holds the moment of its making, few rows are looked at: the old ones are gone but for those
        # that still run.
        .where(jobs.c.id < first_at(before), jobs.c.updated_at < before)
        .where(jobs.c.status.in_([JobStatus.DONE.value, JobStatus.CANCELLED.value]))
        .order_by(jobs.c.id)
        .limit(limit)
    )
    return tx.execute(delete(jobs).where(jobs.c.id.in_(old))).rowcount


def _all() -> Select[Any]:
    return select(*(jobs.c[name] for name in Job.__dataclass_fields__))


def _job(row: Row[Any]) -> Job:
    values = row._asdict()
    return Job(
        **{
            **values,
            "kind": JobKind(values["kind"]),
            "status": JobStatus(values["status"]),
            "filter": _filter(values["filter"]),
        }
    )


def _filter_json(wanted: DeliveryFilter) -> dict[str, Any]:
    return {
        "statuses": [status.value for status in wanted.statuses],
        "integration_id": str(wanted.integration_id) if wanted.integration_id else None,
        "event_id": str(wanted.event_id) if wanted.event_id else None,
        "event_type": wanted.event_type,
        "error": wanted.error,
        "since": wanted.since.isoformat() if wanted.since else None,
        "until": wanted.until.isoformat() if wanted.until else None,
        "ids": [str(delivery_id) for delivery_id in wanted.ids],
        "discarded_by": str(wanted.discarded_by) if wanted.discarded_by else None,
    }


def _filter(stored: dict[str, Any]) -> DeliveryFilter:
    return DeliveryFilter(
        statuses=tuple(DeliveryStatus(status) for status in stored["statuses"]),
        integration_id=UUID(stored["integration_id"]) if stored["integration_id"] else None,
        event_id=UUID(stored["event_id"]) if stored["event_id"] else None,
        event_type=stored["event_type"],
        error=stored["error"],
        since=datetime.fromisoformat(stored["since"]) if stored["since"] else None,
        until=datetime.fromisoformat(stored["until"]) if stored["until"] else None,
        ids=tuple(UUID(text) for text in stored["ids"]),
        # Jobs of earlier versions have none.
        discarded_by=UUID(stored["discarded_by"]) if stored.get("discarded_by") else None,
    )
