"""A worker's memory is bounded by what is under way, not by what it has done."""

from __future__ import annotations

import pytest
from faults.grounds import Grounds
from soak.command import as_text
from soak.crowd import megabytes_in_a_crowd
from soak.memory import Sample, slope

MOST_MEGABYTES = 200.0
WARMING = [Sample(number * 1_000, 80.0 + number) for number in range(10)]
FLAT = [Sample(10_000 + number * 1_000, 90.0) for number in range(20)]


def test_a_warm_up_is_no_leak() -> None:
    """What a process takes at its start is left out of the slope."""
    assert slope(WARMING + FLAT) == pytest.approx(0.0)


def test_a_leak_is_told_by_the_hundred_thousand() -> None:
    """Ten bytes a delivery are a megabyte for each hundred thousand."""
    leaking = [Sample(number * 5_000, 90.0 + number * 0.05) for number in range(30)]

    assert slope(leaking) == pytest.approx(1.0)
    assert as_text("worker", leaking).endswith("after the warm-up +1.00 MB for each 100,000")


@pytest.mark.long
def test_a_thousand_requests_under_way_take_little_memory() -> None:
    """A thousand endpoints that hang cost open sockets, and no more memory than this."""
    with Grounds() as grounds:
        assert megabytes_in_a_crowd(grounds) < MOST_MEGABYTES
