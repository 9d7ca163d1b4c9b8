"""Deliveries and their attempts: made by fan-out, looked at by people, moved by hand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    bindparam,
    case,
    exists,
    func,
    literal,
    literal_column,
    select,
    update,
)

from postrider.domain.delivery import Attempt, Delivery, DeliveryStatus, before

from .bulk import insert_rows
from .engine import Transaction
from .tables import FAILED, IN_LISTS, attempts, deliveries, events, holds, integrations, made_between, status_is
from .tally import Standing, Tally

_HELD = (
    (
        IN_LISTS,
        frozenset(
            {DeliveryStatus.PENDING, DeliveryStatus.DEAD, DeliveryStatus.DISCARDED, DeliveryStatus.SKIPPED},
        ),
    ),
    # True of each that is being sent; those have an index of their leases.
    ("lease_until > 0", frozenset({DeliveryStatus.SENDING})),
)
_PENDING, _DISCARDED = Standing(DeliveryStatus.PENDING), Standing(DeliveryStatus.DISCARDED)


def add(tx: Transaction, tenant_id: UUID, new: Sequence[Delivery], *, now: datetime, published: int = 0) -> None:
    """Store new deliveries of one tenant, and count them: `published` events got all of theirs for the first time."""
    insert_rows(
        tx,
        deliveries,
        [
            {
                "id": delivery.id,
                "tenant_id": tenant_id,
                "event_id": delivery.event_id,
                "integration_id": delivery.integration_id,
                "event_type": delivery.event_type,
                "status": delivery.status.value,
                "due_at": delivery.due_at,
                "reason": delivery.reason,
                "created_at": delivery.created_at,
                "updated_at": delivery.updated_at,
            }
            for delivery in new
        ],
    )
    tally = Tally()
    tally.published(tenant_id, published)
    tally.made(tenant_id, Counter(one.integration_id for one in new if one.status is DeliveryStatus.PENDING))
    tally.write(tx, now=now)


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    """Which deliveries; None or empty takes all."""

    statuses: tuple[DeliveryStatus, ...] = ()
    integration_id: UUID | None = None
    event_id: UUID | None = None
    event_type: str | None = None
    error: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    ids: tuple[UUID, ...] = field(default=())
    discarded_by: UUID | None = None
    """The job that has discarded them."""


def get(tx: Transaction, tenant_id: UUID, delivery_id: UUID) -> Delivery | None:
    """Read one delivery."""
    row = tx.execute(_all().where(deliveries.c.tenant_id == tenant_id, deliveries.c.id == delivery_id)).one_or_none()
    return None if row is None else _delivery(row)


def page(
    tx: Transaction, tenant_id: UUID, wanted: DeliveryFilter, *, before: UUID | None, limit: int
) -> list[Delivery]:
    """List deliveries, newest first, from the one before `before`."""
    query = _all().where(*_conditions(tx, tenant_id, wanted))
    if before is not None:
        query = query.where(deliveries.c.id < before)
    return [_delivery(row) for row in tx.execute(query.order_by(deliveries.c.id.desc()).limit(limit))]


def page_by_offset(tx: Transaction, tenant_id: UUID, integration_id: UUID, *, offset: int, limit: int) -> list[UUID]:
    """List the ids of an integration's deliveries, newest first, as Elastic Path pages its jobs."""
    query = (
        select(deliveries.c.id)
        .where(deliveries.c.tenant_id == tenant_id, deliveries.c.integration_id == integration_id)
        .order_by(deliveries.c.id.desc())
        .offset(offset)
        .limit(limit)
    )
    return list(tx.execute(query).scalars())


def count(tx: Transaction, tenant_id: UUID, wanted: DeliveryFilter) -> int:
    """Count what a filter takes; walks all of it, so only for jobs and tests."""
    query = select(func.count()).select_from(deliveries).where(*_conditions(tx, tenant_id, wanted))
    return tx.execute(query).scalar_one()


def next_ids(
    tx: Transaction, tenant_id: UUID, wanted: DeliveryFilter, *, after: UUID | None, upto: UUID, limit: int
) -> list[UUID]:
    """List what a job takes next, oldest first, behind its cursor and not beyond its end."""
    query = select(deliveries.c.id).where(*_conditions(tx, tenant_id, wanted), deliveries.c.id <= upto)
    if after is not None:
        query = query.where(deliveries.c.id > after)
    return list(tx.execute(query.order_by(deliveries.c.id).limit(limit)).scalars())


@dataclass(frozen=True, slots=True)
class _Held:
    """A delivery that nobody else can move until the transaction ends."""

    integration_id: UUID
    standing: Standing


_HOLD = (
    select(deliveries.c.id, deliveries.c.integration_id, deliveries.c.status, deliveries.c.error)
    .where(
        deliveries.c.tenant_id == bindparam("tenant"),
        deliveries.c.id.in_(bindparam("ids", expanding=True)),
        deliveries.c.status.in_(bindparam("statuses", expanding=True)),
    )
    .order_by(deliveries.c.id)
    .with_for_update()
)


def _hold(
    tx: Transaction, tenant_id: UUID, ids: Collection[UUID], statuses: Collection[DeliveryStatus]
) -> dict[UUID, _Held]:
    """Hold those that have one of the statuses: an update alone does not tell which it was."""
    values = {"tenant": tenant_id, "ids": list(ids), "statuses": sorted(statuses)}
    return {row.id: _Held(row.integration_id, Standing(row.status, row.error)) for row in tx.execute(_HOLD, values)}


_MAKE_DUE = (
    update(deliveries)
    .where(deliveries.c.tenant_id == bindparam("tenant"), deliveries.c.id == bindparam("delivery"))
    .where(exists().where(integrations.c.id == deliveries.c.integration_id, integrations.c.deleted_at.is_(None)))
    .values(
        status=DeliveryStatus.PENDING.value,
        due_at=bindparam("due"),
        round_start=deliveries.c.attempt,
        lost=0,
        reason="",
        updated_at=bindparam("now"),
        discarded_by=None,
    )
)


def make_due(
    tx: Transaction,
    tenant_id: UUID,
    delivery_id: UUID,
    *,
    due_at: datetime,
    from_statuses: Sequence[DeliveryStatus],
    now: datetime,
) -> bool:
    """Begin a new round for a delivery: attempt numbers go on, the retry budget starts anew.

    False if its status does not allow it, or its integration was deleted.
    """
    return make_all_due(tx, tenant_id, {delivery_id: due_at}, from_statuses=from_statuses, now=now) == 1


def make_all_due(
    tx: Transaction,
    tenant_id: UUID,
    due: Mapping[UUID, datetime],
    *,
    from_statuses: Sequence[DeliveryStatus],
    now: datetime,
) -> int:
    """Begin a new round for each delivery that may have one, at its time; tells how many could."""
    tally, moved = Tally(), 0
    held = _hold(tx, tenant_id, due.keys(), set(from_statuses) & set(before(DeliveryStatus.PENDING)))
    for delivery_id, one in held.items():
        done = tx.execute(
            _MAKE_DUE, {"tenant": tenant_id, "delivery": delivery_id, "due": due[delivery_id], "now": now}
        )
        if done.rowcount == 1:
            again = Standing(DeliveryStatus.PENDING, one.standing.error)
            tally.moved(tenant_id, one.integration_id, was=one.standing, now=again)
            moved += 1
    tally.write(tx, now=now)
    return moved


def hasten(tx: Transaction, tenant_id: UUID, delivery_id: UUID, *, now: datetime) -> bool:
    """Make a pending delivery due now instead of later; False when it is not pending."""
    d = deliveries.c
    done = tx.execute(
        update(deliveries)
        .where(d.tenant_id == tenant_id, d.id == delivery_id, status_is(d.status, "pending"))
        .values(due_at=case((d.due_at < now, d.due_at), else_=literal(now, d.due_at.type)), updated_at=now)
    )
    return done.rowcount == 1


def move(
    tx: Transaction,
    tenant_id: UUID,
    delivery_id: UUID,
    *,
    to: DeliveryStatus,
    from_statuses: Sequence[DeliveryStatus],
    reason: str,
    now: datetime,
) -> bool:
    """Move a delivery to an ended status; False when its present one does not allow it."""
    moved = move_all(tx, tenant_id, [delivery_id], to=to, from_statuses=from_statuses, reason=reason, now=now)
    return moved == 1


def move_all(
    tx: Transaction,
    tenant_id: UUID,
    delivery_ids: Sequence[UUID],
    *,
    to: DeliveryStatus,
    from_statuses: Sequence[DeliveryStatus],
    reason: str,
    now: datetime,
    job_id: UUID | None = None,
) -> int:
    """Move the deliveries whose present status allows it to an ended one; tells how many those were.

    `job_id` is the job that discards them.
    """
    d, tally = deliveries.c, Tally()
    held = _hold(tx, tenant_id, delivery_ids, set(from_statuses) & set(before(to)))
    if held:
        tx.execute(
            update(deliveries)
            .where(d.tenant_id == tenant_id, d.id.in_(list(held)))
            .values(status=to.value, due_at=None, reason=reason, updated_at=now, discarded_by=job_id)
        )
    for one in held.values():
        tally.moved(tenant_id, one.integration_id, was=one.standing, now=Standing(to, one.standing.error))
    tally.write(tx, now=now)
    return len(held)


def discard_pending(tx: Transaction, tenant_id: UUID, integration_id: UUID, *, reason: str, now: datetime) -> int:
    """Discard everything that an integration still had to get; tells how many."""
    d, tally = deliveries.c, Tally()
    done = tx.execute(
        update(deliveries)
        .where(d.tenant_id == tenant_id, d.integration_id == integration_id, status_is(d.status, "pending"))
        .values(status=DeliveryStatus.DISCARDED.value, due_at=None, reason=reason, updated_at=now)
    )
    tally.moved(tenant_id, integration_id, was=_PENDING, now=_DISCARDED, times=done.rowcount)
    tally.write(tx, now=now)
    return done.rowcount


def any_tenant_discard_orphans(tx: Transaction, *, now: datetime, limit: int) -> int:
    """Discard what is pending for deleted integrations; tells how many. A net: each way there has its own guard."""
    d, i, tally = deliveries.c, integrations.c, Tally()
    gone = select(i.id).where(i.deleted_at.is_not(None))
    orphans = select(d.id).where(d.integration_id.in_(gone), status_is(d.status, "pending")).limit(limit)
    done = tx.execute(
        update(deliveries)
        .where(d.id.in_(orphans), status_is(d.status, "pending"))
        .values(status=DeliveryStatus.DISCARDED.value, due_at=None, reason="integration_deleted", updated_at=now)
        .returning(d.tenant_id, d.integration_id)
    ).all()
    for tenant_id, integration_id in done:
        tally.moved(tenant_id, integration_id, was=_PENDING, now=_DISCARDED)
    tally.write(tx, now=now)
    return len(done)


def attempts_of(
    tx: Transaction, tenant_id: UUID, delivery_id: UUID, *, first: int = 0, last: int | None = None
) -> list[Attempt]:
    """List a delivery's attempts by number, from `first` to `last`, both with it."""
    query = _attempts().where(attempts.c.tenant_id == tenant_id, attempts.c.delivery_id == delivery_id)
    query = query.where(attempts.c.number >= first)
    if last is not None:
        query = query.where(attempts.c.number <= last)
    return [_attempt(row) for row in tx.execute(query.order_by(attempts.c.number))]


def attempts_page(
    tx: Transaction,
    tenant_id: UUID,
    *,
    integration_id: UUID | None = None,
    delivery_id: UUID | None = None,
    offset: int,
    limit: int,
) -> list[Attempt]:
    """List attempts, newest first, of a tenant, an integration or a delivery, as Elastic Path pages its logs."""
    query = _attempts().where(attempts.c.tenant_id == tenant_id)
    if integration_id is not None:
        query = query.where(attempts.c.integration_id == integration_id)
    if delivery_id is not None:
        query = query.where(attempts.c.delivery_id == delivery_id)
    query = query.order_by(attempts.c.id.desc()).offset(offset).limit(limit)
    return [_attempt(row) for row in tx.execute(query)]


def _conditions(tx: Transaction, tenant_id: UUID, wanted: DeliveryFilter) -> list[ColumnElement[bool]]:
    d = deliveries.c
    conditions: list[ColumnElement[bool]] = [
        d.tenant_id == tenant_id,
        *_of_statuses(tx, wanted.statuses),
        *made_between(d.id, d.created_at, since=wanted.since, until=wanted.until),
    ]
    if wanted.error is not None:
        conditions += _with_error(tx, wanted.error)
    if wanted.event_type is not None and tx.dialect.name != "sqlite":
        # Says nothing new, but how few there may be: PostgreSQL then goes by the events, which have an index of types.
        of_type = select(events.c.id).where(events.c.tenant_id == tenant_id, events.c.event_type == wanted.event_type)
        conditions.append(d.event_id.in_(of_type))
    if wanted.ids:
        conditions.append(d.id.in_(wanted.ids))
    for column, value in (
        (d.integration_id, wanted.integration_id),
        (d.event_id, wanted.event_id),
        (d.event_type, wanted.event_type),
        (d.discarded_by, wanted.discarded_by),
    ):
        if value is not None:
            conditions.append(column == value)
    return conditions


def _with_error(tx: Transaction, error: str) -> list[ColumnElement[bool]]:
    # PostgreSQL plans for each value anew, and so sees that it is in the partial index of errors.
    wanted = deliveries.c.error == error
    return [wanted, holds(FAILED)] if error and tx.dialect.name == "sqlite" else [wanted]


def _of_statuses(tx: Transaction, statuses: Sequence[DeliveryStatus]) -> list[ColumnElement[bool]]:
    if not statuses:
        return []
    status = deliveries.c.status
    if len(statuses) == 1:
        wanted = status_is(status, statuses[0].value)
    else:
        # Written out, as a single one is.
        wanted = status.in_([literal_column(f"'{one.value}'") for one in statuses])
    return [wanted, *(_held(statuses) if tx.dialect.name == "sqlite" else ())]


def _held(statuses: Sequence[DeliveryStatus]) -> list[ColumnElement[bool]]:
    """Say in their own words which partial indexes hold these: SQLite knows it by nothing else.

    PostgreSQL concludes it, and would take each for a condition that lets still fewer rows pass.
    """
    return [holds(words) for words, its in _HELD if its.issuperset(statuses)]


def _all() -> Select[Any]:
    d = deliveries.c
    return select(
        d.id,
        d.tenant_id,
        d.event_id,
        d.integration_id,
        d.event_type,
        d.status,
        d.due_at,
        d.attempt,
        d.round_start,
        d.lost,
        d.reason,
        d.error,
        d.created_at,
        d.updated_at,
    )


def _delivery(row: Row[Any]) -> Delivery:
    values = row._asdict()
    return Delivery(**{**values, "status": DeliveryStatus(values["status"])})


def _attempts() -> Select[Any]:
    return select(*(attempts.c[name] for name in Attempt.__dataclass_fields__))


def _attempt(row: Row[Any]) -> Attempt:
    return Attempt(**row._asdict())
