"""Scenario: how fast a stored backlog is brought to one integration that answers at once."""

from __future__ import annotations

import time

from .endpoint import Arrivals
from .figures import Figures
from .plan import Plan
from .stage import Stage

NAME = "backlog"


def run(stage: Stage, plan: Plan) -> Figures:
    """Store the deliveries, then start the workers, and measure from the first one received to the last."""
    events = plan.events_for(embedded=stage.embedded)
    stage.integrate()
    stage.fill(events)
    stage.endpoint.reset()
    stage.start_workers(plan.workers)
    stage.endpoint.wait_for(1, look=lambda _: stage.check())
    before = stage.usage()
    came = stage.endpoint.wait_for(events, look=lambda came: _look(stage, came, events))
    stage.wait_until_settled()
    return Figures(
        scenario=NAME,
        per_second=_rate(came),
        prices=stage.prices(before, deliveries_made=events),
        audit=stage.audit(events),
    )


def _look(stage: Stage, came: Arrivals, events: int) -> None:
    stage.check()
    since = (time.monotonic_ns() - (came.first_ns or 0)) / 1e9
    stage.say(f"{came.messages:,} of {events:,} received, {came.messages / since:,.0f}/s")


def _rate(came: Arrivals) -> float | None:
    if came.first_ns is None or came.last_ns is None or came.last_ns == came.first_ns:
        return None
    return (came.messages - 1) / (came.last_ns - came.first_ns) * 1e9
