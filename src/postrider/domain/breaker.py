"""Is this endpoint worth trying now, and when is it given up?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from .outcome import Outcome, Verdict

OPEN_AFTER = 10
"""So many failures in a row that speak of the endpoint open the breaker."""
FIRST_WAIT = timedelta(seconds=5)
LONGEST_WAIT = timedelta(minutes=5)
JITTER = 0.2
"""A wait is lengthened or shortened by up to this share: endpoints behind one failure are not probed in step."""
GIVEN_UP_AFTER = timedelta(days=5)
GIVEN_UP_FAILURES = OPEN_AFTER
"""So few failures are no proof, however long ago the first of them was."""

_TOO_MANY_REQUESTS = 429
_SERVER_ERRORS = 500


class State(StrEnum):
    """The three states of a circuit breaker, by their usual names."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"
    """The wait is over: one delivery is let through to see."""


@dataclass(frozen=True, slots=True)
class Breaker:
    """What is known of an endpoint's failures."""

    failures: int = 0
    """In a row, of those that speak of the endpoint."""
    opened_at: datetime | None = None
    parked_until: datetime | None = None
    """No delivery is claimed before; set while the breaker is open."""
    probes: int = 0
    """Failed ones since it opened."""

    def state(self, now: datetime) -> State:
        """Tell the state at a moment."""
        if self.opened_at is None:
            return State.CLOSED
        return State.OPEN if self.parked_until is not None and self.parked_until > now else State.HALF_OPEN


CLOSED = Breaker()


def speaks_of_endpoint(outcome: Outcome) -> bool:
    """Tell whether a failure says that the endpoint itself is in trouble, not this message or its configuration.

    Network failures and timeouts, server errors and 429 do; every other answer shows that somebody is there.

    So does, though it is no fault of the endpoint, what kept us from asking it at all (`out_of_sockets`,
    `internal_error`). The next delivery would fail in the same way: parked, an integration loses one attempt with each
    probe, where each of its due deliveries would lose one, and it opens no connections while there are none to be had.
    The price is a wait of seconds, at most five minutes, after there are some again. And such a probe has met nobody:
    it must not close the breaker, as an answer does.
    """
    if outcome.verdict not in {Verdict.TEMPORARY, Verdict.UNKNOWN}:
        return False
    status = outcome.status_code
    return status is None or status == _TOO_MANY_REQUESTS or status >= _SERVER_ERRORS


def after_failures(breaker: Breaker, count: int, *, probe: bool, now: datetime, randomness: float) -> Breaker:
    """Count failures that speak of the endpoint; `randomness` is in [0, 1).

    While it is open only a probe's failure prolongs the wait: what was under way before it opened tells nothing new.
    """
    failures = breaker.failures + count
    if breaker.opened_at is not None:
        if not probe:
            return Breaker(failures, breaker.opened_at, breaker.parked_until, breaker.probes)
        probes = breaker.probes + 1
        return Breaker(failures, breaker.opened_at, now + _wait(probes, randomness), probes)
    if failures < OPEN_AFTER:
        return Breaker(failures)
    return Breaker(failures, now, now + _wait(0, randomness))


def probing(breaker: Breaker, until: datetime) -> Breaker:
    """Let one delivery through, and no other until it has come back or its lease is over."""
    return Breaker(breaker.failures, breaker.opened_at, until, breaker.probes)


def probe_given_back(breaker: Breaker, until: datetime, *, now: datetime) -> Breaker:
    """Let another delivery through at once when the one that was let through until then was not sent after all."""
    # Another moment stands there when it has been closed, opened anew or probed by somebody else meanwhile.
    return probing(breaker, now) if breaker.parked_until == until else breaker


def is_given_up(failures_in_row: int, failing_since: datetime | None, now: datetime) -> bool:
    """Tell whether an integration did nothing but fail for so long that it is to be disabled."""
    return failing_since is not None and failures_in_row >= GIVEN_UP_FAILURES and now - failing_since >= GIVEN_UP_AFTER


def _wait(probes: int, randomness: float) -> timedelta:
    """Double the wait with each failed probe, up to the longest."""
    planned: timedelta = min(FIRST_WAIT * 2 ** min(probes, 16), LONGEST_WAIT)
    return planned * (1 - JITTER + 2 * JITTER * randomness)
