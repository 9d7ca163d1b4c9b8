"""What people do with deliveries: send again, cancel, discard, replay; one by one or all that a filter takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from postrider.domain.access import POSTRIDER, Actor
from postrider.domain.audit import Action, FieldChange, shown
from postrider.domain.delivery import REDRIVABLE, Delivery, DeliveryStatus
from postrider.domain.errors import Conflict, InvalidInput, NotFound
from postrider.services import Services
from postrider.store import deliveries, events, health, integrations, jobs
from postrider.store.deliveries import DeliveryFilter
from postrider.store.engine import Transaction
from postrider.store.jobs import Job, JobKind, JobStatus

STEP_ROWS = 1_000
STEP_JOBS = 5
PLANNED_AHEAD = timedelta(seconds=2)
"""A job with a rate sets due times this far ahead and no further, so that a pause holds."""

_DISCARDABLE = (DeliveryStatus.DEAD, DeliveryStatus.SKIPPED)
_FROM: dict[JobStatus, tuple[JobStatus, ...]] = {
    JobStatus.PAUSED: (JobStatus.RUNNING,),
    JobStatus.RUNNING: (JobStatus.PAUSED,),
    JobStatus.CANCELLED: (JobStatus.RUNNING, JobStatus.PAUSED),
}
_ENDED = (JobStatus.DONE, JobStatus.CANCELLED)
_STARTED = {
    JobKind.REDRIVE: Action.JOB_REDRIVE_STARTED,
    JobKind.DISCARD: Action.JOB_DISCARD_STARTED,
    JobKind.UNDO_DISCARD: Action.JOB_UNDO_STARTED,
}
_CHANGED = {
    JobStatus.PAUSED: Action.JOB_PAUSED,
    JobStatus.RUNNING: Action.JOB_RESUMED,
    JobStatus.CANCELLED: Action.JOB_CANCELLED,
}

log = structlog.get_logger()


def redrive(
    services: Services, tenant_id: UUID, delivery_id: UUID, *, force: bool = False, by: Actor = POSTRIDER
) -> Delivery:
    """Send a dead, discarded or skipped delivery again, a pending one now; with `force` a delivered one too.

    Attempt numbers go on, and the retry budget starts anew unless it was pending. A parked integration is probed at
    once. Raises NotFound, and Conflict when its status forbids it.
    """
    allowed = (*REDRIVABLE, DeliveryStatus.DELIVERED) if force else REDRIVABLE
    now = services.clock.now()
    with services.change(by) as change:
        tx = change.tx
        delivery = _get(tx, tenant_id, delivery_id)
        if not events.hold(tx, tenant_id, delivery.event_id):
            raise NotFound("no such delivery")
        if not integrations.known(tx, tenant_id, delivery.integration_id, hold=True):
            raise Conflict("its integration was deleted: there is nowhere to send it")
        done = deliveries.make_due(
            tx, tenant_id, delivery_id, due_at=now, from_statuses=allowed, now=now
        ) or deliveries.hasten(tx, tenant_id, delivery_id, now=now)
        _check(done, delivery, "redriven", allowed)
        health.any_tenant_probe_now(tx, [delivery_id], now=now)
        after = _get(tx, tenant_id, delivery_id)
        change.record(tenant_id, Action.DELIVERY_REDRIVEN, delivery_id, _status_change(delivery, after))
    services.ring.deliver([after.integration_id])
    return after


@dataclass(frozen=True, slots=True)
class _Ending:
    """A way in which a person ends a delivery."""

    action: Action
    word: str
    to: DeliveryStatus
    allowed: tuple[DeliveryStatus, ...]


_CANCEL = _Ending(Action.DELIVERY_CANCELLED, "cancelled", DeliveryStatus.DISCARDED, (DeliveryStatus.PENDING,))
_DISCARD = _Ending(Action.DELIVERY_DISCARDED, "discarded", DeliveryStatus.DISCARDED, _DISCARDABLE)
_UNDO = _Ending(Action.DELIVERY_DISCARD_UNDONE, "taken back", DeliveryStatus.DEAD, (DeliveryStatus.DISCARDED,))


def cancel(services: Services, tenant_id: UUID, delivery_id: UUID, *, reason: str, by: Actor = POSTRIDER) -> Delivery:
    """Discard a pending delivery. Raises NotFound, and Conflict when it is not pending (any more)."""
    return _end(services, tenant_id, delivery_id, _CANCEL, reason=reason, by=by)


def discard(services: Services, tenant_id: UUID, delivery_id: UUID, *, reason: str, by: Actor = POSTRIDER) -> Delivery:
    """Discard a dead or skipped delivery. Raises NotFound and Conflict."""
    return _end(services, tenant_id, delivery_id, _DISCARD, reason=reason, by=by)


def undo_discard(services: Services, tenant_id: UUID, delivery_id: UUID, *, by: Actor = POSTRIDER) -> Delivery:
    """Make a discarded delivery a dead letter again. Raises NotFound and Conflict."""
    return _end(services, tenant_id, delivery_id, _UNDO, reason="discard_undone", by=by)


def _end(services: Services, tenant_id: UUID, delivery_id: UUID, how: _Ending, *, reason: str, by: Actor) -> Delivery:
    now = services.clock.now()
    with services.change(by) as change:
        tx = change.tx
        delivery = _get(tx, tenant_id, delivery_id)
        done = deliveries.move(tx, tenant_id, delivery_id, to=how.to, from_statuses=how.allowed, reason=reason, now=now)
        _check(done, delivery, how.word, how.allowed)
        after = _get(tx, tenant_id, delivery_id)
        change.record(tenant_id, how.action, delivery_id, _status_change(delivery, after))
    return after


def _status_change(old: Delivery, new: Delivery) -> tuple[FieldChange, ...]:
    return (shown("status", old.status.value, new.status.value),) if old.status is not new.status else ()


def _get(tx: Transaction, tenant_id: UUID, delivery_id: UUID) -> Delivery:
    delivery = deliveries.get(tx, tenant_id, delivery_id)
    if delivery is None:
        raise NotFound("no such delivery")
    return delivery


def _check(done: bool, delivery: Delivery, word: str, allowed: tuple[DeliveryStatus, ...]) -> None:  # noqa: FBT001
    if not done:
        wanted = " or ".join(status.value for status in allowed)
        raise Conflict(f"the delivery is {delivery.status.value}; only one that is {wanted} can be {word}")


def replay(
    services: Services,
    tenant_id: UUID,
    event_id: UUID,
    *,
    integration_id: UUID | None = None,
    by: Actor = POSTRIDER,
) -> None:
    """Deliver an event anew, as new deliveries: to all that observe it by now, or to one integration.

    Raises NotFound for an unknown event or integration, and Conflict while the event still is being fanned out.
    """
    now = services.clock.now()
    with services.change(by) as change:
        tx = change.tx
        found = events.heads(tx, tenant_id, [event_id]) if events.hold(tx, tenant_id, event_id) else []
        if not found:
            raise NotFound("no such event")
        if integration_id is not None:
            _deliver_anew(services, tx, tenant_id, event_id, found[0].event_type, integration_id, now)
        elif not events.replay(tx, tenant_id, event_id, now=now):
            raise Conflict("the event is still being fanned out; try again in a moment")
        told = () if integration_id is None else (shown("integration_id", None, str(integration_id)),)
        change.record(tenant_id, Action.EVENT_REPLAYED, event_id, told)
    if integration_id is not None:
        services.ring.deliver([integration_id])
    else:
        services.ring.fan_out()


def _deliver_anew(
    services: Services,
    tx: Transaction,
    tenant_id: UUID,
    event_id: UUID,
    event_type: str,
    integration_id: UUID,
    now: datetime,
) -> None:
    if not integrations.known(tx, tenant_id, integration_id, hold=True):
        raise NotFound("no such integration")
    delivery = Delivery(
        id=services.ids.new(),
        tenant_id=tenant_id,
        event_id=event_id,
        integration_id=integration_id,
        event_type=event_type,
        status=DeliveryStatus.PENDING,
        due_at=now,
        attempt=0,
        round_start=0,
        lost=0,
        reason="",
        error="",
        created_at=now,
        updated_at=now,
    )
    deliveries.add(tx, tenant_id, [delivery], now=now)


def start_job(
    services: Services,
    tenant_id: UUID,
    *,
    kind: JobKind,
    wanted: DeliveryFilter,
    rate: float | None,
    reason: str,
    by: Actor = POSTRIDER,
) -> Job:
    """Store a job that redrives or discards every delivery of now that the filter takes.

    `rate` spreads a redrive over time, in deliveries a second; None makes all due at once. The filter's statuses are
    dead letters when it names none; others than its kind may touch raise InvalidInput.
    """
    allowed = REDRIVABLE if kind is JobKind.REDRIVE else _DISCARDABLE
    wanted = wanted if wanted.statuses else replace(wanted, statuses=(DeliveryStatus.DEAD,))
    if wrong := [status.value for status in wanted.statuses if status not in allowed]:
        raise InvalidInput("data.filter.status", f"status: a {kind.value} job takes no {' or '.join(wrong)} deliveries")
    with services.change(by) as change:
        job = _new_job(services, change.tx, tenant_id, kind=kind, wanted=wanted, rate=rate, reason=reason)
        change.record(tenant_id, _STARTED[kind], job.id)
    return job


def undo_job(services: Services, tenant_id: UUID, job_id: UUID, *, by: Actor = POSTRIDER) -> Job:
    """Make dead again, by a job of its own, what a job has discarded and nobody has moved since; nothing else.

    Raises NotFound, and Conflict for a job that discards nothing or has not ended.
    """
    with services.change(by) as change:
        job = jobs.get(change.tx, tenant_id, job_id)
        if job is None:
            raise NotFound("no such job")
        if job.kind is not JobKind.DISCARD:
            raise Conflict(f"a {job.kind.value} job cannot be undone; only one that discards can")
        if job.status not in _ENDED:
            raise Conflict(f"the job is {job.status.value}; let it end, or cancel it, before it is undone")
        wanted = replace(job.filter, statuses=(DeliveryStatus.DISCARDED,), discarded_by=job_id)
        kind, reason = JobKind.UNDO_DISCARD, "discard_undone"
        undo = _new_job(services, change.tx, tenant_id, kind=kind, wanted=wanted, rate=None, reason=reason)
        change.record(tenant_id, _STARTED[kind], undo.id, (shown("undoes", None, str(job_id)),))
    return undo


def _new_job(
    services: Services,
    tx: Transaction,
    tenant_id: UUID,
    *,
    kind: JobKind,
    wanted: DeliveryFilter,
    rate: float | None,
    reason: str,
) -> Job:
    job_id, now = services.ids.new(), services.clock.now()
    job = Job(
        id=job_id,
        tenant_id=tenant_id,
        kind=kind,
        status=JobStatus.RUNNING,
        filter=wanted,
        reason=reason,
        rate=rate,
        total=deliveries.count(tx, tenant_id, wanted),
        done=0,
        cursor=None,
        # Ids follow time: what is made after the job is not meant by it.
        upto=job_id,
        next_due_at=None,
        created_at=now,
        updated_at=now,
    )
    jobs.add(tx, job)
    return job


def change_job(services: Services, tenant_id: UUID, job_id: UUID, *, to: JobStatus, by: Actor = POSTRIDER) -> Job:
    """Pause, resume or cancel a job; what it has done stays done. Raises NotFound and Conflict."""
    with services.change(by) as change:
        tx = change.tx
        job = jobs.get(tx, tenant_id, job_id)
        if job is None:
            raise NotFound("no such job")
        if not jobs.set_status(tx, tenant_id, job_id, to=to, from_statuses=_FROM[to], now=services.clock.now()):
            raise Conflict(f"the job is {job.status.value}")
        change.record(tenant_id, _CHANGED[to], job_id)
    return replace(job, status=to)


def step_jobs(services: Services) -> None:
    """Bring every running job a step further; the sweep calls this."""
    woken: set[UUID] = set()
    with services.database.write() as tx:
        for job in jobs.any_tenant_running(tx, before=services.clock.now() + PLANNED_AHEAD, limit=STEP_JOBS):
            woken |= _step(services, tx, job)
    if woken:
        services.ring.deliver(woken)


def _step(services: Services, tx: Transaction, job: Job) -> set[UUID]:
    now = services.clock.now()
    budget = _budget(job)
    ids = deliveries.next_ids(tx, job.tenant_id, job.filter, after=job.cursor, upto=job.upto, limit=budget)
    begin = max(job.next_due_at or now, now)
    gap = timedelta(seconds=1 / job.rate) if job.rate else timedelta(0)
    moved = _touch(tx, job, {delivery_id: begin + gap * place for place, delivery_id in enumerate(ids)}, now)
    jobs.step(
        tx,
        job,
        moved=moved,
        cursor=ids[-1] if ids else job.cursor,
        next_due_at=begin + gap * len(ids),
        finished=len(ids) < budget,
        now=now,
    )
    if job.kind is JobKind.REDRIVE and job.cursor is None:
        health.any_tenant_probe_now(tx, ids, now=now)
    log.info("job.stepped", job_id=str(job.id), kind=job.kind.value, moved=moved, finished=len(ids) < budget)
    return {job.filter.integration_id} if job.filter.integration_id and not job.rate else set()


def _budget(job: Job) -> int:
    """Tell how many deliveries the job may take in a step; at a rate those of a few seconds, so that a pause holds."""
    if job.rate is None or job.kind is not JobKind.REDRIVE:
        return STEP_ROWS
    return min(max(int(job.rate * 3), 1), STEP_ROWS)


def _touch(tx: Transaction, job: Job, due: Mapping[UUID, datetime], now: datetime) -> int:
    """Do what the job is for; `due` tells when each would be due again. Tells how many moved."""
    if job.kind is JobKind.REDRIVE:
        return deliveries.make_all_due(tx, job.tenant_id, due, from_statuses=job.filter.statuses, now=now)
    return deliveries.move_all(
        tx,
        job.tenant_id,
        list(due),
        to=DeliveryStatus.DISCARDED if job.kind is JobKind.DISCARD else DeliveryStatus.DEAD,
        from_statuses=job.filter.statuses,
        reason=job.reason,
        now=now,
        job_id=job.id if job.kind is JobKind.DISCARD else None,
    )
