"""How much memory a process of ours holds, and whether that grows with what it has done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import linear_regression

import psutil
from flows.installed import Running

WARM_UP = 1 / 3
"""Of the samples, from the first on: caches fill, and Python's own memory finds its size."""
EACH = 100_000
"""Deliveries that a slope is told for."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One look at a process."""

    deliveries: int
    """That have arrived by then."""
    megabytes: float


def megabytes(running: Running) -> float:
    """Tell what of a process is resident, without its children."""
    return float(psutil.Process(running.process.pid).memory_info().rss) / 1_000_000


def slope(samples: Sequence[Sample]) -> float:
    """Fit the megabytes that come with each hundred thousand deliveries, after the warm-up."""
    warm = samples[round(len(samples) * WARM_UP) :]
    fitted = linear_regression([one.deliveries / EACH for one in warm], [one.megabytes for one in warm])
    return fitted.slope
