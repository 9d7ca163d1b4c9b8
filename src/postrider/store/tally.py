"""What moves in a transaction, counted: written in that same transaction, and added up later by the sweep.

A row for each change, instead of a number that all change, keeps those who deliver from waiting for each other.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from postrider.domain.delivery import DeliveryStatus
from postrider.domain.latencies import to_json

from .bulk import insert_rows
from .engine import Transaction
from .tables import count_changes

_IN_BACKLOG = (DeliveryStatus.PENDING, DeliveryStatus.SENDING)


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a delivery stands, as far as that is counted."""

    status: str
    error: str = ""
    """Of its last attempt."""


@dataclass(slots=True)
class Sums:
    """What happened, added up; the signed ones tell the difference that it makes."""

    published: int = 0
    delivered: int = 0
    failed: int = 0
    died: int = 0
    backlog: int = 0
    letters: Counter[str] = field(default_factory=Counter)
    """By error."""
    latencies: Counter[int] = field(default_factory=Counter)
    waiting: Counter[UUID] = field(default_factory=Counter)
    """New deliveries by integration; for sums of a tenant."""


class Tally:
    """Counts what moves in one transaction: a sum for each integration, however many deliveries it were."""

    def __init__(self) -> None:
        self._sums: dict[tuple[UUID, UUID | None], Sums] = {}

    def published(self, tenant_id: UUID, events: int) -> None:
        """Count events that have been fanned out for the first time."""
        if events:
            self._of(tenant_id, None).published += events

    def made(self, tenant_id: UUID, waiting: Mapping[UUID, int]) -> None:
        """Count new deliveries by integration: all in one sum, however many integrations observe an event."""
        if waiting:
            self._of(tenant_id, None).waiting.update(waiting)

    def moved(
        self,
        tenant_id: UUID,
        integration_id: UUID,
        *,
        was: Standing | None,
        now: Standing | None,
        times: int = 1,
    ) -> None:
        """Count deliveries that went from one standing to another: None before they were made, or when forgotten."""
        sums = self._of(tenant_id, integration_id)
        sums.backlog += (_in_backlog(now) - _in_backlog(was)) * times
        if was is not None and was.status == DeliveryStatus.DEAD:
            sums.letters[was.error] -= times
        if now is not None and now.status == DeliveryStatus.DEAD:
            sums.letters[now.error] += times
            sums.died += _in_backlog(was) * times

    def delivered(self, tenant_id: UUID, integration_id: UUID, *, bucket: int | None) -> None:
        """Count an attempt that arrived; `bucket` tells how long its event took, where that is told."""
        sums = self._of(tenant_id, integration_id)
        sums.delivered += 1
        if bucket is not None:
            sums.latencies[bucket] += 1

    def failed(self, tenant_id: UUID, integration_id: UUID) -> None:
        """Count an attempt that did not arrive, as far as is known."""
        self._of(tenant_id, integration_id).failed += 1

    def write(self, tx: Transaction, *, now: datetime) -> None:
        """Store what was counted: a row for each integration, and one for what is the tenant's."""
        rows = [_row(tenant_id, one, sums, now) for (tenant_id, one), sums in self._sums.items() if _says_a_thing(sums)]
        insert_rows(tx, count_changes, rows)

    def _of(self, tenant_id: UUID, integration_id: UUID | None) -> Sums:
        return self._sums.setdefault((tenant_id, integration_id), Sums())


def _in_backlog(standing: Standing | None) -> int:
    return int(standing is not None and standing.status in _IN_BACKLOG)


def _says_a_thing(sums: Sums) -> bool:
    numbers = (sums.published, sums.delivered, sums.failed, sums.died, sums.backlog)
    return any(numbers) or any(sums.letters.values()) or bool(sums.waiting)


def _row(tenant_id: UUID, integration_id: UUID | None, sums: Sums, now: datetime) -> dict[str, Any]:
    return {
        "tenant_id": tenant_id,
        "integration_id": integration_id,
        "at": now,
        "published": sums.published,
        "delivered": sums.delivered,
        "failed": sums.failed,
        "died": sums.died,
        "backlog": sums.backlog,
        "letters": {error: number for error, number in sums.letters.items() if number},
        "latencies": to_json(sums.latencies),
        "waiting": {integration_id.hex: number for integration_id, number in sums.waiting.items()},
    }
