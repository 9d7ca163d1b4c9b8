"""What a scenario found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil
from uuid import UUID

from .child import Usage


@dataclass(frozen=True, slots=True)
class Spread:
    """How long something took, in milliseconds."""

    p50: float
    p95: float
    p99: float
    longest: float


@dataclass(frozen=True, slots=True)
class Price:
    """What a kind of process used for the scenario."""

    cpu_seconds_per_1000: float
    """All its processes together, for 1,000 deliveries."""
    peak_memory_mb: float | None
    """The largest of its processes; None where it cannot be told."""


@dataclass(frozen=True, slots=True)
class Audit:
    """Whether what was stored is what came."""

    events: int
    """How many were published."""
    deliveries: int
    """How many should have come of them."""
    received: int
    """How many different deliveries came."""
    twice: int
    """How many requests repeated one that had come before."""
    lost: int
    """How many deliveries never came, or came and are not noted as delivered."""
    foreign: int
    """How many came that are none of ours."""


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of one scenario."""

    scenario: str
    audit: Audit
    prices: Mapping[str, Price]
    """By the kind of process: up, web, worker, database."""
    per_second: float | None = None
    """Deliveries a second; None where it is not the question."""
    accepted_per_second: float | None = None
    """Events a second that were accepted over HTTP; None where they were stored beforehand."""
    of_bare_loop: float | None = None
    """The same as a share of the bare loop's requests a second, measured just before and after."""
    latencies: Mapping[str, Spread] = field(default_factory=dict)
    """By what is measured."""
    ratios: Mapping[str, float] = field(default_factory=dict)
    """By what is set against what."""


def spread(nanoseconds: Sequence[int]) -> Spread:
    """Summarise durations, at least one."""
    ordered = sorted(nanoseconds)

    def at(share: float) -> float:
        return ordered[ceil(len(ordered) * share) - 1] / 1e6

    return Spread(at(0.50), at(0.95), at(0.99), ordered[-1] / 1e6)


def price(before: Sequence[Usage], after: Sequence[Usage], *, deliveries: int) -> Price:
    """Tell what processes of one kind used between two looks, in the same order."""
    cpu = sum(late.cpu_seconds - early.cpu_seconds for early, late in zip(before, after, strict=True))
    peaks = [usage.peak_memory_bytes / 1e6 for usage in after if usage.peak_memory_bytes is not None]
    return Price(cpu / deliveries * 1000, max(peaks, default=None))


def audit(
    stored: Sequence[UUID],
    delivered: Sequence[UUID],
    came: Sequence[str],
    *,
    requests: int,
    events: int,
    copies: int = 1,
) -> Audit:
    """Compare the deliveries that were made, and noted as delivered, with the ids that came.

    Each event was to go out in so many `copies`.
    """
    made, done, seen = {str(one) for one in stored}, {str(one) for one in delivered}, set(came)
    arrived = made & seen & done
    return Audit(
        events=events,
        deliveries=events * copies,
        received=len(made & seen),
        twice=requests - len(seen),
        lost=max(events * copies, len(made)) - len(arrived),
        foreign=len(seen - made),
    )
