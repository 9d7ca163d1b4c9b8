"""What workers took to their graves: found by the leases that ran out, and made due again."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import case, select, update

from postrider.domain.delivery import LOST_LIMIT, DeliveryStatus
from postrider.domain.outcome import Verdict

from .bulk import insert_rows
from .claims import INTEGRATION_IS_DELETED
from .engine import Transaction
from .forgotten import lease_is_over
from .tables import attempts, deliveries
from .tally import Standing, Tally

WORKER_LOST = "worker_lost"
_SENDING = Standing(DeliveryStatus.SENDING)


@dataclass(frozen=True, slots=True)
class Expired:
    """A delivery whose holder was lost."""

    delivery_id: UUID
    tenant_id: UUID
    integration_id: UUID
    attempt: int
    lost: int
    started_at: datetime


def any_tenant_expire(tx: Transaction, new_ids: Sequence[UUID], *, now: datetime) -> list[Expired]:
    """Take back up to as many deliveries as ids are given whose lease has run out; the ids name the attempts' rows.

    Each becomes due at once, with one more loss counted and no attempt of its retry budget used; one that was lost too
    often is buried; one whose integration is gone is discarded. The attempt is written down as unknown.
    """
    d = deliveries.c
    over = (
        select(d.id, d.tenant_id, d.integration_id, d.attempt, d.lost + 1, d.started_at)
        .where(lease_is_over(now))
        .order_by(d.lease_until)
        .limit(len(new_ids))
        .with_for_update(skip_locked=True)
    )
    found = [Expired(*row) for row in tx.execute(over)]
    if not found:
        return []
    buried, dropped = d.lost + 1 >= LOST_LIMIT, INTEGRATION_IS_DELETED
    moved = tx.execute(
        update(deliveries)
        .where(d.id.in_([e.delivery_id for e in found]))
        .values(
            status=case((dropped, "discarded"), (buried, "dead"), else_="pending"),
            # It had its turn already: nothing that waits goes before it.
            due_at=case((dropped | buried, None), else_=d.created_at),
            reason=case((dropped, "integration_deleted"), (buried, WORKER_LOST), else_=""),
            error=WORKER_LOST,
            lost=d.lost + 1,
            # The lost attempt keeps its number and does not use up the retry budget.
            round_start=d.round_start + 1,
            token=None,
            lease_until=None,
            updated_at=now,
        )
        .returning(d.tenant_id, d.integration_id, d.status)
    )
    _count(tx, moved.all(), now)
    insert_rows(tx, attempts, [_lost_row(e, new_id, now) for e, new_id in zip(found, new_ids, strict=False)])
    return found


def _count(tx: Transaction, moved: Iterable[tuple[UUID, UUID, str]], now: datetime) -> None:
    tally = Tally()
    for tenant_id, integration_id, status in moved:
        tally.failed(tenant_id, integration_id)
        tally.moved(tenant_id, integration_id, was=_SENDING, now=Standing(status, WORKER_LOST))
    tally.write(tx, now=now)


def _lost_row(expired: Expired, new_id: UUID, now: datetime) -> dict[str, Any]:
    return {
        "id": new_id,
        "delivery_id": expired.delivery_id,
        "tenant_id": expired.tenant_id,
        "integration_id": expired.integration_id,
        "number": expired.attempt,
        "started_at": expired.started_at,
        "duration_ms": round((now - expired.started_at).total_seconds() * 1000, 3),
        "verdict": Verdict.UNKNOWN.value,
        "decision": "bury" if expired.lost >= LOST_LIMIT else "retry",
        "error": WORKER_LOST,
        "detail": "the worker was lost before it could tell what became of the attempt",
        "status_code": None,
        "response_headers": {},
        "response_body": "",
        "late": False,
        "created_at": now,
    }
