"""How deliveries stand, for pages that show many: the last attempt of each, and the statuses of an event's."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from uuid import UUID

from sqlalchemy import and_, select

from postrider.domain.delivery import Attempt, DeliveryStatus

from .engine import Transaction
from .tables import attempts, deliveries

MOST_LOOKED_AT = 2_000
_WORST_FIRST = (
    DeliveryStatus.DEAD,
    DeliveryStatus.PENDING,
    DeliveryStatus.SENDING,
    DeliveryStatus.SKIPPED,
    DeliveryStatus.DISCARDED,
    DeliveryStatus.DELIVERED,
)


def last_attempts(tx: Transaction, tenant_id: UUID, delivery_ids: Collection[UUID]) -> dict[UUID, Attempt]:
    """Read the last attempt of each delivery that has one which is over."""
    if not delivery_ids:
        return {}
    d = deliveries.c
    last = and_(attempts.c.delivery_id == d.id, attempts.c.number == d.attempt)
    query = (
        select(*(attempts.c[name] for name in Attempt.__dataclass_fields__))
        .select_from(deliveries.join(attempts, last))
        .where(d.tenant_id == tenant_id, d.id.in_(delivery_ids))
    )
    return {row.delivery_id: Attempt(**row._asdict()) for row in tx.execute(query)}


def statuses_of_each(
    tx: Transaction, tenant_id: UUID, event_ids: Collection[UUID]
) -> dict[UUID, tuple[DeliveryStatus, ...]]:
    """Tell which statuses the deliveries of each event have, each status once, the worst first.

    Looks at `MOST_LOOKED_AT` deliveries and no more: of events with very many, some statuses may be missing.
    """
    if not event_ids:
        return {}
    d = deliveries.c
    query = select(d.event_id, d.status).where(d.tenant_id == tenant_id, d.event_id.in_(event_ids))
    looked_at = query.limit(MOST_LOOKED_AT).subquery()
    found = defaultdict[UUID, set[str]](set)
    for event_id, status in tx.execute(select(looked_at.c.event_id, looked_at.c.status).distinct()):
        found[event_id].add(status)
    return {event_id: tuple(status for status in _WORST_FIRST if status in its) for event_id, its in found.items()}


def discarding_jobs(tx: Transaction, tenant_id: UUID, delivery_ids: Collection[UUID]) -> dict[UUID, UUID]:
    """Tell by which job each delivery was discarded, of those that a job has."""
    if not delivery_ids:
        return {}
    d = deliveries.c
    query = select(d.id, d.discarded_by).where(d.tenant_id == tenant_id, d.id.in_(delivery_ids))
    return {row.id: row.discarded_by for row in tx.execute(query.where(d.discarded_by.is_not(None)))}
