"""Deliveries and their attempts: made by fan-out, looked at by people, moved by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
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
from .tables import ENDED, FAILED, IN_LISTS, attempts, deliveries, events, holds, integrations, made_between, status_is

_ENDED = frozenset({DeliveryStatus.DEAD, DeliveryStatus.DISCARDED, DeliveryStatus.SKIPPED})
_HELD = (
    (IN_LISTS, _ENDED | {DeliveryStatus.PENDING}),
    (ENDED, _ENDED),
    # True of each that is being sent; those have an index of their leases.
    ("lease_until > 0", frozenset({DeliveryStatus.SENDING})),
)


def add(tx: Transaction, tenant_id: UUID, new: Sequence[Delivery]) -> None:
    """Store new deliveries of one tenant."""
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
    d = deliveries.c
    allowed = set(from_statuses) & set(before(DeliveryStatus.PENDING))
    done = tx.execute(
        update(deliveries)
        .where(d.tenant_id == tenant_id, d.id == delivery_id, d.status.in_(allowed))
        .where(exists().where(integrations.c.id == d.integration_id, integrations.c.deleted_at.is_(None)))
        .values(
            status=DeliveryStatus.PENDING.value,
            due_at=due_at,
            round_start=d.attempt,
            lost=0,
            reason="",
            updated_at=now,
        )
    )
    return done.rowcount == 1


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
    d = deliveries.c
    done = tx.execute(
        update(deliveries)
        .where(d.tenant_id == tenant_id, d.id == delivery_id)
        .where(d.status.in_(set(from_statuses) & set(before(to))))
        .values(status=to.value, due_at=None, reason=reason, updated_at=now)
    )
    return done.rowcount == 1


def discard_pending(tx: Transaction, tenant_id: UUID, integration_id: UUID, *, reason: str, now: datetime) -> int:
    """Discard everything that an integration still had to get; tells how many."""
    d = deliveries.c
    done = tx.execute(
        update(deliveries)
        .where(d.tenant_id == tenant_id, d.integration_id == integration_id, status_is(d.status, "pending"))
        .values(status=DeliveryStatus.DISCARDED.value, due_at=None, reason=reason, updated_at=now)
    )
    return done.rowcount


def any_tenant_discard_orphans(tx: Transaction, *, now: datetime, limit: int) -> int:
    """Discard what is pending for deleted integrations; tells how many. A net: each way there has its own guard."""
    d, i = deliveries.c, integrations.c
    gone = select(i.id).where(i.deleted_at.is_not(None))
    orphans = select(d.id).where(d.integration_id.in_(gone), status_is(d.status, "pending")).limit(limit)
    done = tx.execute(
        update(deliveries)
        .where(d.id.in_(orphans), status_is(d.status, "pending"))
        .values(status=DeliveryStatus.DISCARDED.value, due_at=None, reason="integration_deleted", updated_at=now)
    )
    return done.rowcount


def attempts_of(tx: Transaction, tenant_id: UUID, delivery_id: UUID) -> list[Attempt]:
    """List a delivery's attempts by number."""
    query = _attempts().where(attempts.c.tenant_id == tenant_id, attempts.c.delivery_id == delivery_id)
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
