"""Writing down what became of attempts: what each outcome means for its delivery, and one statement for them all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog

from postrider.domain.delivery import Claimed, DeliveryStatus
from postrider.domain.outcome import Outcome, Verdict
from postrider.domain.retry import Decision, Verb, decide
from postrider.services import Services
from postrider.store import claims
from postrider.store.claims import Settlement

from .flights import Opened
from .health import Told

_STATUS = {Verb.FINISH: DeliveryStatus.DELIVERED, Verb.RETRY: DeliveryStatus.PENDING, Verb.BURY: DeliveryStatus.DEAD}

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Flying:
    """A delivery that this process holds, and how it was sent."""

    claimed: Claimed
    opened: Opened


@dataclass(frozen=True, slots=True)
class Batch:
    """Outcomes that are written down together, in the order of their landing."""

    flying: Sequence[Flying]
    settled: Sequence[Settlement]
    """What each comes to."""
    now: datetime

    def outcomes(self) -> dict[UUID, Outcome]:
        """Give the outcomes by their deliveries' ids."""
        return {one.claimed.delivery_id: one.outcome for one in self.settled}

    def told(self) -> list[Told]:
        """Say what the outcomes say of the far side."""
        return [Told(one.opened.integration, each.outcome) for one, each in zip(self.flying, self.settled, strict=True)]

    def probed(self) -> bool:
        """Tell whether the breaker's probe is among them."""
        return any(one.claimed.probe for one in self.flying)


def batch_of(services: Services, held: Mapping[UUID, Flying], landed: Mapping[UUID, Outcome]) -> Batch:
    """Decide what becomes of each delivery that has landed."""
    now = services.clock.now()
    flying = [held[delivery_id] for delivery_id in landed]
    attempt_ids = services.ids.many(len(flying))
    settled = [
        _settlement(services, one, outcome, attempt_id, now)
        for one, outcome, attempt_id in zip(flying, landed.values(), attempt_ids, strict=True)
    ]
    return Batch(flying, settled, now)


@dataclass(frozen=True, slots=True)
class Writing:
    """A batch on its way into the database."""

    batch: Batch
    moved: Future[set[UUID]]
    """The ids of the deliveries that were still ours; raises what the database raised."""


def write(services: Services, batch: Batch, *, by: Executor | None = None) -> Writing:
    """Write a batch down in one statement: by somebody else's hand, who may take a while, or here and now."""
    if by is not None:
        return Writing(batch, by.submit(_store, services, batch))
    moved: Future[set[UUID]] = Future()
    try:
        moved.set_result(_store(services, batch))
    except Exception as error:  # noqa: BLE001 - whoever asks for the result gets it
        moved.set_exception(error)
    return Writing(batch, moved)


def tell(batch: Batch, moved: set[UUID]) -> None:
    """Log what did not go well; the many that did are told by their rows."""
    for one in batch.settled:
        if one.outcome.verdict is Verdict.DELIVERED and one.claimed.delivery_id in moved:
            continue
        log.info(
            "attempt.finished",
            delivery_id=str(one.claimed.delivery_id),
            integration_id=str(one.claimed.integration_id),
            attempt=one.claimed.attempt,
            outcome=one.outcome.verdict.value,
            error=one.outcome.error,
            status_code=one.outcome.status_code,
            decision=one.decision,
            due_at=one.due_at.isoformat() if one.due_at else None,
            duration_ms=round(one.outcome.duration.total_seconds() * 1000, 1),
            late=one.claimed.delivery_id not in moved,
        )


def _store(services: Services, batch: Batch) -> set[UUID]:
    with services.database.write_once() as tx:
        return claims.any_tenant_settle(tx, batch.settled, now=batch.now)


def _settlement(services: Services, flying: Flying, outcome: Outcome, attempt_id: UUID, now: datetime) -> Settlement:
    decision = _decision(services, flying, outcome, now)
    return Settlement(
        attempt_id=attempt_id,
        claimed=flying.claimed,
        outcome=outcome,
        decision=decision.verb.value,
        status=_STATUS[decision.verb],
        due_at=decision.due_at,
        reason=decision.reason,
    )


def _decision(services: Services, flying: Flying, outcome: Outcome, now: datetime) -> Decision:
    return decide(
        outcome,
        attempts_made=flying.claimed.attempt - flying.claimed.round_start,
        policy=flying.opened.integration.policy,
        now=now,
        randomness=services.random.random(),
    )
