"""How the database is and what waits in it, for people who look at the whole."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import func, select, text

from .engine import Transaction
from .tables import events

COUNTED = 10_000
"""So many events that wait for fan-out are counted; more are told as these and more."""


def database_version(tx: Transaction) -> str:
    """Name the database and its version, such as `PostgreSQL 18.1`."""
    if tx.dialect.name == "sqlite":
        return f"SQLite {tx.execute(text('SELECT sqlite_version()')).scalar_one()}"
    # A distribution adds its own version in brackets.
    return f"PostgreSQL {tx.execute(text('SHOW server_version')).scalar_one().partition(' ')[0]}"


@dataclass(frozen=True, slots=True)
class FanOutQueue:
    """The events of a tenant that are stored and not fanned out."""

    events: int
    """At most `COUNTED`."""
    oldest: datetime | None
    """Since when the first of them waits."""


def fan_out_queue(tx: Transaction, tenant_id: UUID) -> FanOutQueue:
    """Look at the events that wait for fan-out, the oldest first; those alone have an index."""
    since = func.coalesce(events.c.replayed_at, events.c.created_at).label("since")
    waiting = select(since).where(events.c.tenant_id == tenant_id, events.c.fanned_out_at.is_(None))
    first = waiting.order_by(events.c.id).limit(COUNTED).subquery()
    return FanOutQueue(*tx.execute(select(func.count(), func.min(first.c.since))).one())
