"""How a rate hands out attempts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from postrider.domain.rate import grant

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def taken_within(rate: float, seconds: float, *, step: float = 0.01) -> int:
    """Ask again and again for as much as there is; count what was granted."""
    next_free_at, granted, moment = None, 0, NOW
    while moment < NOW + timedelta(seconds=seconds):
        given = grant(rate, next_free_at, wanted=1_000_000, now=moment)
        next_free_at, granted = given.next_free_at, granted + given.count
        moment += timedelta(seconds=step)
    return granted


@pytest.mark.parametrize("rate", [0.5, 1, 7, 100, 3_333, 10_000])
def test_the_rate_is_kept_and_used(rate: float) -> None:
    """Over ten seconds as many go as the rate says, though asked for up to ten milliseconds late each time; and no
    more than a tenth of a second's worth above it.
    """
    granted = taken_within(rate, 10)

    assert rate * 10 - 1 <= granted <= rate * 10 + max(rate * 0.1, 1)


def test_the_next_free_moment_is_exact() -> None:
    """At four a second the second attempt is free 250 ms after the first, not before."""
    first = grant(4, None, wanted=10, now=NOW)
    early = grant(4, first.next_free_at, wanted=10, now=first.next_free_at - timedelta(milliseconds=1))
    second = grant(4, first.next_free_at, wanted=10, now=first.next_free_at)

    assert (first.count, first.next_free_at) == (1, NOW + timedelta(milliseconds=250))
    assert (early.count, early.next_free_at) == (0, first.next_free_at)
    assert (second.count, second.next_free_at) == (1, NOW + timedelta(milliseconds=500))


def test_a_rest_earns_no_burst() -> None:
    """After a day without work no more go at once than after a tenth of a second."""
    rested = grant(100, NOW - timedelta(days=1), wanted=1_000, now=NOW)

    assert rested.count == 10


def test_what_is_not_wanted_is_not_used_up() -> None:
    """Who takes one of ten leaves nine."""
    one = grant(100, None, wanted=1, now=NOW)

    assert grant(100, one.next_free_at, wanted=1_000, now=NOW).count == 9


def test_a_slower_rate_of_before_holds_nothing_up() -> None:
    """Once the rate is raised nobody waits for longer than the new one has it."""
    slow = grant(0.001, None, wanted=1, now=NOW)

    raised = grant(4, slow.next_free_at, wanted=1, now=NOW)

    assert (raised.count, raised.next_free_at) == (0, NOW + timedelta(milliseconds=250))
