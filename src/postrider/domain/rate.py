"""How many attempts may an integration have now, and when is the next one free?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

TOGETHER_SECONDS = 0.1
"""Attempts of so short a time may go together, so that a high rate does not cost a claim for each."""


@dataclass(frozen=True, slots=True)
class Grant:
    """Leave for some attempts."""

    count: int
    next_free_at: datetime
    """When there is leave for more; to be given to the next question."""


def grant(rate: float, next_free_at: datetime | None, *, wanted: int, now: datetime) -> Grant:
    """Give leave for up to `wanted` attempts of an integration that takes `rate` a second.

    `next_free_at` is what the last grant told; None: there was none. Nothing is saved up: a long rest earns no burst.
    What a slower rate told before counts no more than this one would have told by now.
    The generic cell rate algorithm (ITU-T I.371), with a tolerance of `TOGETHER_SECONDS`.
    """
    interval = timedelta(seconds=1 / rate)
    together = max(int(rate * TOGETHER_SECONDS), 1)
    rested = now - interval * together
    saved_since = rested if next_free_at is None else min(next_free_at - interval * together, now)
    if saved_since < rested - interval / 2:
        # Longer ago than the lateness of a worker, which is made up for.
        saved_since = rested
    # A microsecond more, because moments are kept in whole ones.
    free = int((now - saved_since + timedelta(microseconds=1)) / interval)
    count = max(min(wanted, free), 0)
    return Grant(count, saved_since + interval * (count + together))
