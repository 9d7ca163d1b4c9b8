"""What the bench is asked to do."""

from __future__ import annotations

from dataclasses import dataclass

SCENARIO_NAMES = (
    "backlog",
    "idle-latency",
    "steady",
    "steady-lists",
    "fanout",
    "neighbours",
    "sqs",
    "stomp",
)
EVENTS = {
    "backlog": (20_000, 30_000),
    "steady": (10_000, 20_000),
    "steady-lists": (10_000, 20_000),
    "fanout": (10_000, 20_000),
    "sqs": (3_000, 3_000),
    "stomp": (10_000, 20_000),
}
"""As many as give a steady figure: embedded, distributed."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much, how long and with what."""

    scenarios: tuple[str, ...]
    leave_out: bool = False
    """Leave out a scenario that this machine lacks something for, with a word, in the place of failing."""
    events: int | None = None
    """Of each scenario that counts events; None: as many as give a steady figure."""
    rate: float | None = None
    """Events a second that `steady` and `steady-lists` publish; None: as many as are accepted."""
    workers: int = 1
    samples: int = 200
    """For scenarios that look at one event at a time."""
    seconds: float = 3.0
    """For each measure of the bare loop."""

    def events_for(self, scenario: str, *, embedded: bool) -> int:
        """Tell how many events a scenario gets."""
        few, many = EVENTS[scenario]
        return self.events or (few if embedded else many)
