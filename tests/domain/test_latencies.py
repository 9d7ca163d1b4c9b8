"""Latencies in buckets tell nearly what the exact values would."""

from __future__ import annotations

import random

import pytest

from postrider.domain.latencies import added, bucket_of, from_json, quantile, to_json

RATIO = 10**0.2
DAY_MS = 86_400_000


@pytest.mark.parametrize(
    ("milliseconds", "bucket"),
    [(-1, 0), (0, 0), (0.2, 0), (1, 0), (1.01, 1), (9.99, 5), (10, 5), (10.01, 6), (1_000, 15), (DAY_MS, 40)],
)
def test_each_time_has_a_bucket(milliseconds: float, bucket: int) -> None:
    """A bucket reaches up to its bound, and the bound is in it; what a clock tells wrongly is in the first."""
    assert bucket_of(milliseconds) == bucket


def test_whatever_is_longer_is_in_the_last_bucket() -> None:
    """A week is told as more than a day."""
    assert bucket_of(7 * DAY_MS) == bucket_of(DAY_MS) == 40


@pytest.mark.parametrize("q", [0.01, 0.25, 0.5, 0.9, 0.95, 0.99])
@pytest.mark.parametrize("seed", range(5))
def test_a_quantile_is_off_by_no_more_than_its_bucket(q: float, seed: int) -> None:
    """Against the sorted values it is in the same bucket, so off by the ratio at the most."""
    rng = random.Random(seed)
    values = sorted(rng.lognormvariate(4, 2) + 1 for _ in range(1_000))

    found = quantile(added({bucket_of(value): 1} for value in values), q)

    assert found is not None
    assert 1 / RATIO <= found / values[round(q * 1_000) - 1] <= RATIO


def test_a_quantile_is_interpolated_inside_its_bucket() -> None:
    """A quarter of the way through the first bucket is a quarter of its millisecond."""
    assert quantile({0: 4}, 0.25) == pytest.approx(0.25)
    assert quantile({5: 2, 6: 2}, 0.5) == pytest.approx(10)
    assert quantile({5: 2, 6: 2}, 1) == pytest.approx(10 * RATIO)


def test_nothing_has_no_quantile() -> None:
    """Where nothing was measured, nothing is told."""
    assert quantile({}, 0.5) is None


def test_histograms_are_added_and_kept_as_json() -> None:
    """Adding up and writing down loses nothing."""
    both = added([{1: 2, 3: 4}, {3: 1, 40: 5}])

    assert both == {1: 2, 3: 5, 40: 5}
    assert from_json(to_json(both)) == both
