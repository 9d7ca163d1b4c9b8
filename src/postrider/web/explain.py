"""Why is this delivery where it is? The sentence that people read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from postrider.domain.delivery import Attempt, Delivery, DeliveryStatus
from postrider.services import Services
from postrider.store import health, integrations
from postrider.store.engine import Transaction

Explanation = tuple[str | datetime, ...]
"""A sentence or two in pieces: the moments in it are written by whoever shows it, after words such as "is due"."""

_WORDS = {
    "attempts_exhausted": "no attempt is left",
    "integration_deleted": "its integration was deleted",
    "disabled": "its integration was switched off when the event was published",
    "worker_lost": "workers were lost while they held it, too often to try again",
    "resent": "it was edited and sent again, as an event of its own",
    "discard_undone": "it had been discarded, and that was taken back",
}


@dataclass(frozen=True, slots=True)
class Target:
    """How the integration that a delivery is for stands now."""

    there: bool
    enabled: bool
    parked_until: datetime | None
    secrets_unreadable: bool = False


def target_of(tx: Transaction, delivery: Delivery, *, now: datetime) -> Target:
    """Look at the integration that a delivery is for."""
    observer = integrations.observer(tx, delivery.tenant_id, delivery.integration_id, now=now, hold=False)
    if observer is None:
        return Target(there=False, enabled=False, parked_until=None)
    found = health.of(tx, [observer.id]).get(observer.id, health.NO_HEALTH)
    return Target(
        there=True,
        enabled=observer.enabled,
        parked_until=found.breaker.parked_until,
        secrets_unreadable=found.secrets_unreadable,
    )


def explain(services: Services, delivery: Delivery, target: Target, last: Attempt | None) -> Explanation:
    """Say in a sentence or two why the delivery is where it is, and what comes next."""
    match delivery.status:
        case DeliveryStatus.PENDING:
            return _pending(delivery, target, last, now=services.clock.now())
        case DeliveryStatus.SENDING:
            return (f"Attempt {delivery.attempt} is under way.",)
        case DeliveryStatus.DELIVERED:
            return (f"It arrived with attempt {delivery.attempt}.",)
        case DeliveryStatus.DEAD:
            return (f"Not delivered: {_why(delivery)}.{_last(last)} It waits to be redriven or discarded.",)
        case DeliveryStatus.DISCARDED:
            reason = "" if delivery.reason == "discarded" else f" ({_why(delivery)})"
            return (f"Not delivered: it was discarded{reason}.{_last(last)}",)
        case DeliveryStatus.SKIPPED:
            return (f"Not delivered: it was skipped, because {_why(delivery)}. A redrive sends it.",)


def _pending(delivery: Delivery, target: Target, last: Attempt | None, *, now: datetime) -> Explanation:
    if not target.there:
        return ("Not delivered yet: its integration was deleted, so it is about to be discarded.",)
    if not target.enabled:
        return (f"Not delivered yet: it is held, because its integration is switched off.{_last(last)}",)
    if target.secrets_unreadable:
        reason = "its integration's stored secrets cannot be read with the configured keys"
        return (f"Not delivered yet: it is held, because {reason}.{_last(last)}",)
    if target.parked_until is not None and target.parked_until > now:
        parked = "Not delivered yet: its integration kept failing and is left alone for a while. The next try is "
        return (parked, target.parked_until, f".{_last(last)}")
    if delivery.due_at is None or delivery.due_at <= now:
        return (f"Not delivered yet: it is due and waits for its turn.{_last(last)}",)
    return (f"Not delivered yet: attempt {delivery.attempt + 1} is due ", delivery.due_at, f".{_last(last)}")


def _why(delivery: Delivery) -> str:
    reason = delivery.reason or delivery.error
    if delivery.status is DeliveryStatus.DEAD and reason not in _WORDS:
        return f"trying again would not help ({reason})"
    return _WORDS.get(reason, reason) or "no reason was given"


def _last(attempt: Attempt | None) -> str:
    if attempt is None or not attempt.error:
        return ""
    detail = attempt.detail.rstrip(".") or attempt.error
    return f" Attempt {attempt.number} failed: {detail}."


def in_utc(explanation: Explanation) -> str:
    """Write an explanation out, with its moments in UTC."""
    return "".join(f"at {_moment(piece)}" if isinstance(piece, datetime) else piece for piece in explanation)


def _moment(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds").replace("+00:00", "Z")
