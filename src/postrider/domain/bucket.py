"""May one more request pass? As a leaky bucket judges: each pours in one, and so much flows out a second."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bucket:
    """How much fits in, and how much flows out a second."""

    size: int
    per_second: float


@dataclass(frozen=True, slots=True)
class Poured:
    """A bucket after a request."""

    level: float
    at: float
    """When, in seconds of a clock that only goes forward."""
    wait_seconds: float
    """Until one more fits in; 0 when this one did."""


def pour(bucket: Bucket, last: Poured | None, *, now: float) -> Poured:
    """Pour in one request where it fits; one that does not leaves the bucket as it is. None: nothing was in it."""
    before = 0.0 if last is None else max(0.0, last.level - (now - last.at) * bucket.per_second)
    over = before + 1 - bucket.size
    if over <= 0:
        return Poured(before + 1, now, 0.0)
    return Poured(before, now, over / bucket.per_second)
