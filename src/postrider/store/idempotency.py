"""Which publishes were already done: per tenant and key, for a day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite

from .engine import Transaction
from .tables import idempotency

KEPT = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class KeyedPublish:
    """One keyed publish: the key, the hash of its body and the ids that it made."""

    key: str
    body_hash: bytes
    event_ids: tuple[UUID, ...]


def claim(tx: Transaction, tenant_id: UUID, new: KeyedPublish, *, now: datetime) -> KeyedPublish | None:
    """Take a key for a publish; give the publish that has it, when one does.

    Waits for another transaction that is just taking the same key. A key older than a day is free.
    """
    dialect = sqlite if tx.dialect.name == "sqlite" else postgresql
    values = {
        "body_hash": new.body_hash,
        "event_ids": [str(event_id) for event_id in new.event_ids],
        "created_at": now,
    }
    statement = (
        dialect.insert(idempotency)
        .values(tenant_id=tenant_id, key=new.key, **values)
        .on_conflict_do_update(
            index_elements=["tenant_id", "key"], set_=values, where=idempotency.c.created_at < now - KEPT
        )
        .returning(idempotency.c.key)
    )
    if tx.execute(statement).scalar_one_or_none() is not None:
        return None
    row = tx.execute(
        select(idempotency.c.key, idempotency.c.body_hash, idempotency.c.event_ids).where(
            idempotency.c.tenant_id == tenant_id, idempotency.c.key == new.key
        )
    ).one()
    return KeyedPublish(row.key, bytes(row.body_hash), tuple(UUID(text) for text in row.event_ids))


def any_tenant_forget(tx: Transaction, *, now: datetime, limit: int) -> int:
    """Delete keys that are over a day old; tells how many."""
    key = tuple_(idempotency.c.tenant_id, idempotency.c.key)
    over = idempotency.c.created_at < now - KEPT
    oldest = (
        select(idempotency.c.tenant_id, idempotency.c.key).where(over).order_by(idempotency.c.created_at).limit(limit)
    )
    return tx.execute(delete(idempotency).where(key.in_(oldest), over)).rowcount
