"""Scenario: how fast a stored backlog is brought to one integration that answers at once."""

from __future__ import annotations

import time

from .endpoint import Arrivals, FarSide
from .figures import Figures
from .plan import Plan
from .stage import Stage

NAME = "backlog"


def run(stage: Stage, plan: Plan) -> Figures:
    """Store the deliveries, then start the workers."""
    events = plan.events_for(NAME, embedded=stage.embedded)
    stage.integrate()
    stage.fill(events)
    stage.endpoint.reset()
    return bring(NAME, stage, plan, to=stage.endpoint, events=events)


def bring(name: str, stage: Stage, plan: Plan, *, to: FarSide, events: int, copies: int = 1) -> Figures:
    """Start the workers on what is stored, and measure from the first delivery received to the last."""
    deliveries = events * copies
    stage.start_workers(plan.workers)
    began = to.wait_for(1, look=lambda _: stage.check())
    before, since = stage.usage(), time.monotonic()

    def look(came: Arrivals) -> None:
        stage.check()
        rate = (came.messages - began.messages) / (time.monotonic() - since)
        stage.say(f"{came.messages:,} of {deliveries:,} received, {rate:,.0f}/s")

    to.wait_for(deliveries, look=look)
    stage.wait_until_settled()
    return Figures(
        scenario=name,
        prices=stage.prices(before, deliveries_made=max(1, deliveries - began.messages)),
        per_second=_rate(to.arrivals()),
        audit=stage.audit(events, copies=copies, to=to),
    )


def _rate(came: Arrivals) -> float | None:
    if came.first_ns is None or came.last_ns is None or came.last_ns == came.first_ns:
        return None
    return (came.messages - 1) / (came.last_ns - came.first_ns) * 1e9
