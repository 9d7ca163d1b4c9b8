"""Is there anything that rings and workers forgot? Asked each second, so all in one statement."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, and_, bindparam, exists, select

from .engine import Transaction
from .events import ANY_WAITING
from .folding import ANY_CHANGES
from .jobs import ANY_RUNNING
from .tables import deliveries, status_is
from .types import Instant


@dataclass(frozen=True, slots=True)
class Forgotten:
    """Which of the sweep's duties have something to do."""

    leases: bool
    """A worker was lost with deliveries in hand."""
    jobs: bool
    """A stored job may go a step further."""
    events: bool
    """Events are to be fanned out."""
    changes: bool
    """What has happened is to be added up."""


def lease_is_over(now: datetime | ColumnElement[datetime]) -> ColumnElement[bool]:
    """Say in SQL that a delivery's holder was lost."""
    return and_(status_is(deliveries.c.status, "sending"), deliveries.c.lease_until < now)


_LOOK = select(exists().where(lease_is_over(bindparam("now", type_=Instant()))), ANY_RUNNING, ANY_WAITING, ANY_CHANGES)


def any_tenant_look(tx: Transaction, *, now: datetime, jobs_before: datetime) -> Forgotten:
    """Look for lost leases, jobs that have something to do before a moment, waiting events and changes to fold."""
    return Forgotten(*tx.execute(_LOOK, {"now": now, "before": jobs_before}).one())
