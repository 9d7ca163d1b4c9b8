"""Again, when, or never?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from .integration import DeliveryPolicy
from .outcome import Outcome, Verdict

JITTER = 0.2
"""A wait is lengthened or shortened by up to this share, so that failures do not come back in step."""
LONGEST_WISH = timedelta(hours=24)
"""The longest `Retry-After` that is honoured."""


class Verb(StrEnum):
    """The three things that can be decided."""

    FINISH = "finish"
    RETRY = "retry"
    BURY = "bury"


@dataclass(frozen=True, slots=True)
class Decision:
    """What happens to a delivery after an attempt."""

    verb: Verb
    due_at: datetime | None = None
    """When to try again; only with RETRY."""
    reason: str = ""
    """Why it is dead; only with BURY."""


def decide(
    outcome: Outcome, *, attempts_made: int, policy: DeliveryPolicy, now: datetime, randomness: float
) -> Decision:
    """Decide from an attempt's outcome.

    `attempts_made` counts this round's attempts, this one included; `randomness` is in [0, 1).
    The wait is the longer of the schedule's (jittered) and the far side's own wish.
    """
    if outcome.verdict is Verdict.DELIVERED:
        return Decision(Verb.FINISH)
    if outcome.gone or outcome.verdict is Verdict.PERMANENT:
        return Decision(Verb.BURY, reason=outcome.error)
    if attempts_made > len(policy.retry_waits):
        return Decision(Verb.BURY, reason="attempts_exhausted")
    planned = policy.retry_waits[attempts_made - 1] * (1 - JITTER + 2 * JITTER * randomness)
    wished = min(outcome.retry_after or timedelta(0), LONGEST_WISH)
    return Decision(Verb.RETRY, due_at=now + max(planned, wished))
