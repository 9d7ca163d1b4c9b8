"""How long deliveries took: counted in buckets, so that any number of them is a few numbers that can be added up."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping

Histogram = Mapping[int, int]
"""How many lie in each bucket; an empty bucket is left out."""

_BOUNDS = tuple(10 ** (place / 5) for place in range(41))
"""Up to which time, in milliseconds, each bucket reaches: from 1 ms to a day, each by the same ratio (1.58) further."""


def bucket_of(milliseconds: float) -> int:
    """Tell the bucket of a time; the last one takes whatever is longer."""
    return min(bisect_left(_BOUNDS, milliseconds), len(_BOUNDS) - 1)


def added(histograms: Iterable[Histogram]) -> dict[int, int]:
    """Add up histograms."""
    total: Counter[int] = Counter()
    for histogram in histograms:
        total.update(histogram)
    return dict(total)


def quantile(histogram: Histogram, q: float) -> float | None:
    """Give the time, in milliseconds, within which the share `q` of all lies; None when there are none.

    Inside its bucket it is interpolated, as if all there lay at equal distances.
    """
    wanted, seen = q * sum(histogram.values()), 0
    for bucket, count in sorted(histogram.items()):
        if seen + count >= wanted:
            begin = _BOUNDS[bucket - 1] if bucket else 0.0
            return begin + (_BOUNDS[bucket] - begin) * (wanted - seen) / count
        seen += count
    return None


def to_json(histogram: Histogram) -> dict[str, int]:
    """Write a histogram as JSON has it: its keys are text."""
    return {str(bucket): count for bucket, count in histogram.items()}


def from_json(stored: Mapping[str, int]) -> dict[int, int]:
    """Read a histogram from JSON."""
    return {int(bucket): count for bucket, count in stored.items()}
