"""The circuit breaker's rules, without a database or a clock."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from postrider.domain.breaker import (
    CLOSED,
    GIVEN_UP_AFTER,
    LONGEST_WAIT,
    OPEN_AFTER,
    Breaker,
    State,
    after_failures,
    is_given_up,
    probe_given_back,
    probing,
    speaks_of_endpoint,
)
from postrider.domain.outcome import Outcome, Verdict

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
NO_JITTER = 0.5


def failed(breaker: Breaker, count: int, *, probe: bool = False, now: datetime = NOW) -> Breaker:
    return after_failures(breaker, count, probe=probe, now=now, randomness=NO_JITTER)


@pytest.mark.parametrize(
    ("outcome", "speaks"),
    [
        (Outcome(Verdict.TEMPORARY, "timeout"), True),
        (Outcome(Verdict.TEMPORARY, "connection_refused"), True),
        (Outcome(Verdict.UNKNOWN, "connection_lost"), True),
        (Outcome(Verdict.TEMPORARY, "out_of_sockets"), True),
        (Outcome(Verdict.TEMPORARY, "http_500", status_code=500), True),
        (Outcome(Verdict.TEMPORARY, "http_429", status_code=429), True),
        (Outcome(Verdict.TEMPORARY, "http_404", status_code=404), False),
        (Outcome(Verdict.TEMPORARY, "http_302", status_code=302), False),
        (Outcome(Verdict.PERMANENT, "body_too_large"), False),
        (Outcome(Verdict.PERMANENT, "http_410", status_code=410), False),
        (Outcome(Verdict.DELIVERED, status_code=200), False),
    ],
)
def test_what_speaks_of_the_endpoint(outcome: Outcome, *, speaks: bool) -> None:
    """Trouble of the network and of the server counts; an answer to this one message does not."""
    assert speaks_of_endpoint(outcome) is speaks


def test_ten_failures_in_a_row_open_it() -> None:
    """Nine leave it closed; the tenth parks the integration for five seconds."""
    nine = failed(CLOSED, OPEN_AFTER - 1)
    ten = failed(nine, 1)

    assert nine.state(NOW) is State.CLOSED
    assert ten == Breaker(failures=10, opened_at=NOW, parked_until=NOW + timedelta(seconds=5), probes=0)
    assert ten.state(NOW) is State.OPEN


def test_a_failed_probe_doubles_the_wait_up_to_five_minutes() -> None:
    """Probes come after 5, 10, 20 ... seconds, and never rarer than each five minutes."""
    breaker, now, waits = failed(CLOSED, OPEN_AFTER), NOW, []
    for _ in range(8):
        assert breaker.parked_until is not None
        waits.append((breaker.parked_until - now).total_seconds())
        now = breaker.parked_until
        assert breaker.state(now) is State.HALF_OPEN
        breaker = failed(breaker, 1, probe=True, now=now)

    assert waits == [5, 10, 20, 40, 80, 160, 300, 300]
    assert breaker.opened_at == NOW


def test_failures_that_were_under_way_prolong_nothing() -> None:
    """What was sent before it opened and fails after it is counted and tells nothing new."""
    opened = failed(CLOSED, OPEN_AFTER)

    later = failed(opened, 90, now=NOW + timedelta(seconds=3))

    assert (later.opened_at, later.parked_until, later.probes) == (opened.opened_at, opened.parked_until, 0)
    assert later.failures == OPEN_AFTER + 90


def test_a_probe_under_way_keeps_others_back() -> None:
    """Who probes parks the integration until the probe's lease is over."""
    half_open = failed(CLOSED, OPEN_AFTER)
    moment = NOW + timedelta(seconds=5)

    probed = probing(half_open, moment + timedelta(seconds=30))

    assert half_open.state(moment) is State.HALF_OPEN
    assert probed.state(moment) is State.OPEN
    assert probed.state(moment + timedelta(seconds=30)) is State.HALF_OPEN


def test_waits_are_jittered_by_a_fifth() -> None:
    """Endpoints behind one failure are not probed in step, and no wait is out of bounds for ever so many probes."""
    waits = [
        after_failures(Breaker(10, NOW, NOW, probes), 1, probe=True, now=NOW, randomness=randomness).parked_until
        for probes in (0, 5, 10_000)
        for randomness in (0, 0.999_999)
    ]
    seconds = [round((wait - NOW).total_seconds()) for wait in waits if wait]

    assert seconds == [8, 12, 240, 360, 240, 360]
    assert timedelta(minutes=5) == LONGEST_WAIT


@pytest.mark.parametrize(
    ("failures", "since", "given_up"),
    [
        (OPEN_AFTER, NOW - GIVEN_UP_AFTER, True),
        (OPEN_AFTER, NOW - GIVEN_UP_AFTER + timedelta(seconds=1), False),
        (OPEN_AFTER - 1, NOW - timedelta(days=300), False),
        (1_000, None, False),
    ],
)
def test_nothing_but_failures_for_five_days_is_given_up(
    failures: int, since: datetime | None, *, given_up: bool
) -> None:
    """Both are needed: five days since the first failure of the row, and ten failures in it."""
    assert is_given_up(failures, since, NOW) is given_up


@pytest.mark.parametrize(
    "meanwhile",
    [CLOSED, Breaker(10, NOW, NOW + timedelta(seconds=60), 1), Breaker(10, NOW, NOW + timedelta(seconds=5), 0)],
)
def test_only_ones_own_right_to_probe_is_given_back(meanwhile: Breaker) -> None:
    """A probe that was not sent lets the next one through at once, unless the breaker has moved on since."""
    until = NOW + timedelta(seconds=30)
    mine = probing(Breaker(10, NOW, NOW, 1), until)

    assert probe_given_back(mine, until, now=NOW).state(NOW) is State.HALF_OPEN
    assert probe_given_back(meanwhile, until, now=NOW) == meanwhile
