"""May one more request pass? Counted in windows: what the last one counted fades out while this one goes on.

Fixed windows are those of other systems, whose clients count on a fresh start with each.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Quota:
    """So many in so many seconds, both at least 1."""

    amount: int
    seconds: int
    fixed: bool = False
    """A window begins with nothing, whatever the last one counted."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How one who counts stands."""

    quota: Quota
    allowed: bool
    remaining: int
    """How many more may pass now."""
    reset_seconds: float
    """Until this window ends."""
    wait_seconds: float
    """Until one more may pass; 0 when it may now."""


def ask(quota: Quota, *, before: int, counted: int, elapsed: float) -> Standing:
    """Judge one more request, `elapsed` seconds into a window that has counted `counted`, the last one `before`."""
    before = 0 if quota.fixed else before
    used = before * (1 - elapsed / quota.seconds) + counted
    allowed = used + 1 <= quota.amount
    return Standing(
        quota,
        allowed,
        remaining=max(0, int(quota.amount - used) - allowed),
        reset_seconds=quota.seconds - elapsed,
        wait_seconds=0.0 if allowed else _wait(quota, before=before, counted=counted, elapsed=elapsed),
    )


def _wait(quota: Quota, *, before: int, counted: int, elapsed: float) -> float:
    if counted + 1 <= quota.amount:
        return _faded(quota, before, room=quota.amount - counted - 1) - elapsed
    if quota.fixed:
        return quota.seconds - elapsed
    # Not in this window any more; in the next one it is this one's count that fades.
    return quota.seconds - elapsed + _faded(quota, counted, room=quota.amount - 1)


def _faded(quota: Quota, count: int, *, room: int) -> float:
    """Tell when, from a window's beginning, so much of the last one's count has faded that it fits into the room."""
    return max(0.0, quota.seconds * (1 - room / count)) if count else 0.0
