"""Which processes there are: each writes of itself now and then, and is forgotten when it does not any more."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite

from .engine import Transaction
from .tables import processes


class ProcessKind(StrEnum):
    """What a process does; one that does both is told of twice."""

    WORKER = "worker"
    WEB = "web"


@dataclass(frozen=True, slots=True)
class Process:
    """A process as it was when it last wrote of itself."""

    id: UUID
    kind: ProcessKind
    host: str
    pid: int
    version: str
    started_at: datetime
    seen_at: datetime
    in_flight: int
    """Attempts under way."""


# Made once: it is asked for as long as the process lives.
_CHANGING = ("seen_at", "in_flight")
_ON_POSTGRESQL, _ON_SQLITE = postgresql.insert(processes), sqlite.insert(processes)
_SEEN = {
    "postgresql": _ON_POSTGRESQL.on_conflict_do_update(
        index_elements=["id"], set_={name: _ON_POSTGRESQL.excluded[name] for name in _CHANGING}
    ),
    "sqlite": _ON_SQLITE.on_conflict_do_update(
        index_elements=["id"], set_={name: _ON_SQLITE.excluded[name] for name in _CHANGING}
    ),
}


def any_tenant_seen(tx: Transaction, process: Process) -> None:
    """Note that a process is there, by a single statement."""
    tx.execute(_SEEN[tx.dialect.name], {**asdict(process), "kind": process.kind.value})


def any_tenant_gone(tx: Transaction, process_id: UUID) -> None:
    """Forget a process that ends, by a single statement."""
    tx.execute(delete(processes).where(processes.c.id == process_id))


def any_tenant_list(tx: Transaction) -> list[Process]:
    """List the processes, the longest running first; one that was killed is there until it is forgotten."""
    query = select(*(processes.c[name] for name in Process.__dataclass_fields__)).order_by(processes.c.id)
    return [Process(**{**row._asdict(), "kind": ProcessKind(row.kind)}) for row in tx.execute(query)]


def any_tenant_forget(tx: Transaction, *, before: datetime) -> int:
    """Forget the processes that were not seen since a moment; tells how many."""
    return tx.execute(delete(processes).where(processes.c.seen_at < before)).rowcount
