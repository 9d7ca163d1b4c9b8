"""What the database holds, as plain values that a model can be compared with."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, select

from postrider.store import counts
from postrider.store.engine import Database, Transaction
from postrider.store.tables import attempts, deliveries, events, integrations, metadata


@dataclass(frozen=True, slots=True)
class Row:
    """A delivery, whole."""

    id: UUID
    tenant_id: UUID
    event_id: UUID
    integration_id: UUID
    status: str
    due_at: datetime | None
    attempt: int
    round_start: int
    lost: int
    token: UUID | None
    lease_until: datetime | None
    reason: str
    error: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """What is told of an attempt."""

    verdict: str
    decision: str
    late: bool


@dataclass(frozen=True, slots=True)
class EventRow:
    """An event, and whether it still is to be fanned out."""

    id: UUID
    tenant_id: UUID
    event_type: str
    waiting: bool


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that the promises speak of."""

    deliveries: dict[UUID, Row]
    attempts: dict[tuple[UUID, int], AttemptRow]
    events: dict[UUID, EventRow]


@dataclass(frozen=True, slots=True)
class Counted:
    """How many deliveries wait, and how many are dead."""

    backlogs: dict[UUID, int]
    letters: dict[tuple[UUID, str], int]


def look(database: Database) -> Snapshot:
    """Read all of it, past the finders that the product itself uses."""
    a, e = attempts.c, events.c
    with database.read() as tx:
        rows = tx.execute(select(*(deliveries.c[name] for name in Row.__dataclass_fields__)))
        tried = tx.execute(select(a.delivery_id, a.number, a.verdict, a.decision, a.late)).all()
        told = tx.execute(select(e.id, e.tenant_id, e.event_type, e.fanned_out_at.is_(None)))
        return Snapshot(
            {row.id: Row(*row) for row in rows},
            {(one.delivery_id, one.number): AttemptRow(*one[2:]) for one in tried},
            {row.id: EventRow(*row) for row in told},
        )


def counted(database: Database) -> dict[UUID, Counted]:
    """Read what is kept of each tenant's numbers, as pages do."""
    with database.read() as tx:
        mine = defaultdict[UUID, list[UUID]](list)
        for tenant_id, integration_id in tx.execute(select(integrations.c.tenant_id, integrations.c.id)):
            mine[tenant_id].append(integration_id)
        return {tenant_id: _counted(tx, tenant_id, every) for tenant_id, every in mine.items()}


def _counted(tx: Transaction, tenant_id: UUID, integration_ids: Sequence[UUID]) -> Counted:
    groups = counts.letter_groups(tx, tenant_id, limit=1_000)
    backlogs = counts.backlog_of_each(tx, tenant_id, integration_ids)
    assert counts.backlog(tx, tenant_id) == sum(backlogs.values())
    return Counted(
        {one: number for one, number in backlogs.items() if number},
        {(group.integration_id, group.error): group.letters for group in groups},
    )


def counted_anew(seen: Snapshot, tenant_id: UUID) -> Counted:
    """Count the rows themselves."""
    mine = [row for row in seen.deliveries.values() if row.tenant_id == tenant_id]
    return Counted(
        Counter(row.integration_id for row in mine if row.status in {"pending", "sending"}),
        Counter((row.integration_id, row.error) for row in mine if row.status == "dead"),
    )


def empty(database: Database) -> None:
    """Delete every row, children first: cheaper than a new database for each example."""
    with database.write() as tx:
        for table in reversed(metadata.sorted_tables):
            tx.execute(delete(table))
