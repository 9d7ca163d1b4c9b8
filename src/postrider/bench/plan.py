"""What the bench is asked to do."""

from __future__ import annotations

from dataclasses import dataclass

SCENARIO_NAMES = ("backlog", "idle-latency")
EVENTS_EMBEDDED, EVENTS_DISTRIBUTED = 20_000, 30_000


@dataclass(frozen=True, slots=True)
class Plan:
    """How much, how long and with what."""

    scenarios: tuple[str, ...]
    events: int | None = None
    """For scenarios with a backlog; None: as many as give a steady figure in the mode."""
    workers: int = 1
    samples: int = 200
    """For scenarios that look at one event at a time."""
    seconds: float = 3.0
    """For each measure of the bare loop."""

    def events_for(self, *, embedded: bool) -> int:
        """Tell how large a backlog is."""
        return self.events or (EVENTS_EMBEDDED if embedded else EVENTS_DISTRIBUTED)
