"""How many may pass in a window that slides."""

from __future__ import annotations

import random

import pytest

from postrider.domain.quota import Quota, ask

TEN = Quota(10, 60)


@pytest.mark.parametrize(
    ("before", "counted", "elapsed", "allowed", "remaining", "wait"),
    [
        (0, 0, 0.0, True, 9, 0.0),
        (0, 9, 30.0, True, 0, 0.0),
        (0, 10, 30.0, False, 0, 36.0),  # the window's other half, and a tenth of the next one
        (10, 0, 0.0, False, 0, 6.0),
        (10, 0, 6.0, True, 0, 0.0),
        (10, 0, 30.0, True, 4, 0.0),
        (10, 5, 30.0, False, 0, 6.0),
        (10, 9, 59.0, False, 0, 1.0),
        (3, 0, 0.0, True, 6, 0.0),
    ],
)
def test_next_request_is_judged(
    before: int, counted: int, elapsed: float, *, allowed: bool, remaining: int, wait: float
) -> None:
    """The last window counts for as much as its part that still lies within the last sixty seconds."""
    standing = ask(TEN, before=before, counted=counted, elapsed=elapsed)

    assert (standing.allowed, standing.remaining) == (allowed, remaining)
    assert standing.wait_seconds == pytest.approx(wait)
    assert standing.reset_seconds == 60 - elapsed


def test_one_that_waits_as_told_passes() -> None:
    """After the wait, and not a moment before, one more may pass."""
    chance = random.Random(3)
    for _ in range(5_000):
        quota = Quota(chance.randint(1, 50), chance.choice([1, 10, 60]))
        before, counted = chance.randint(0, quota.amount), chance.randint(0, quota.amount)
        elapsed = chance.random() * quota.seconds
        wait = ask(quota, before=before, counted=counted, elapsed=elapsed).wait_seconds

        assert passes(quota, before, counted, elapsed + wait + 1e-6)
        assert wait == 0 or not passes(quota, before, counted, elapsed + wait - 1e-6)


def passes(quota: Quota, before: int, counted: int, at: float) -> bool:
    if at >= quota.seconds:
        return ask(quota, before=counted, counted=0, elapsed=at - quota.seconds).allowed
    return ask(quota, before=before, counted=counted, elapsed=at).allowed


def test_a_fixed_window_begins_with_nothing() -> None:
    """Whatever the last one counted; who is too many waits until it ends."""
    fixed = Quota(10, 60, fixed=True)

    assert ask(fixed, before=10, counted=0, elapsed=0).remaining == 9
    assert ask(fixed, before=10, counted=9, elapsed=59).allowed
    refused = ask(fixed, before=0, counted=10, elapsed=20)
    assert (refused.allowed, refused.wait_seconds, refused.reset_seconds) == (False, 40, 40)
