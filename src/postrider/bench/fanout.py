"""Scenario: how fast events become deliveries to many integrations, and arrive at each of them."""

from __future__ import annotations

from .backlog import bring
from .figures import Figures
from .plan import Plan
from .stage import Stage

NAME = "fanout"
WIDTHS = (1, 10, 100)


def run(stage: Stage, plan: Plan, *, width: int) -> Figures:
    """Store events that `width` integrations observe; the workers fan them out and deliver.

    For every width as many deliveries are made, so fewer events for a greater one.
    """
    events = max(1, plan.events_for(NAME, embedded=stage.embedded) // width)
    for _ in range(width):
        stage.integrate()
    stage.store(events)
    stage.endpoint.reset()
    return bring(f"{NAME} x{width}", stage, plan, to=stage.endpoint, events=events, copies=width)
