"""Scenarios: publish over HTTP and deliver at the same time, as fast as events are accepted or at a rate."""

from __future__ import annotations

from .endpoint import Arrivals
from .figures import Figures, spread
from .plan import Plan
from .publishing import Published, Publisher, open_publisher
from .stage import WARM_UP, Stage

SINGLE, LISTS = "steady", "steady-lists"
LIST_LENGTH = 100


def run_single(stage: Stage, plan: Plan) -> Figures:
    """Publish one event a request."""
    return _run(SINGLE, stage, plan, at_once=1)


def run_lists(stage: Stage, plan: Plan) -> Figures:
    """Publish lists of events."""
    return _run(LISTS, stage, plan, at_once=LIST_LENGTH)


def _run(name: str, stage: Stage, plan: Plan, *, at_once: int) -> Figures:
    events = plan.events_for(name, embedded=stage.embedded)
    stage.integrate()
    url = stage.start(plan.workers)
    stage.endpoint.reset(timed=True)
    stage.warm_up(url)
    with open_publisher(url, stage.api_key) as publisher:
        before = stage.usage()
        publisher.begin(events, at_once=at_once, rate=plan.rate)
        came = stage.endpoint.wait_for(
            WARM_UP + events, look=lambda came: _look(stage, publisher, came.messages - WARM_UP)
        )
        published = publisher.published()
    stage.wait_until_settled()
    return Figures(
        scenario=name,
        prices=stage.prices(before, deliveries_made=events),
        per_second=_delivered(events, published, came),
        accepted_per_second=events / (published.last_ns - published.first_ns) * 1e9,
        latencies={
            "publish sent, event received": spread(stage.endpoint.took()),
            "publish sent, 202 answered": spread(published.answered),
        },
        audit=stage.audit(WARM_UP + events),
    )


def _delivered(events: int, published: Published, came: Arrivals) -> float:
    """Give the deliveries a second, from the first request to the last arrival."""
    return events / ((came.last_ns or 0) - published.first_ns) * 1e9


def _look(stage: Stage, publisher: Publisher, received: int) -> None:
    stage.check()
    stage.say(f"{publisher.accepted():,} accepted, {received:,} received")
