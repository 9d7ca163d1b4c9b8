"""Scenario: how soon events arrive at a healthy integration while fifty others hang."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

import httpx

from . import load
from .child import BenchFailed, Child
from .figures import Figures, spread
from .plan import Plan
from .publishing import Publisher, open_publisher
from .stage import WARM_UP, Stage

NAME = "neighbours"
HANGING = 50
EVENTS = 250
"""Published while the neighbours are off, and as many while they are on."""
RATE = 20.0
DELIVERY = {"timeout_seconds": 10, "retry_waits": [5] * 30}
"""What hangs is given up after ten seconds and tried again soon, so that it goes on all the time."""


def lacks() -> str | None:
    """Say what this machine lacks for the scenario; None when it has all."""
    if sys.platform != "linux":
        return "each hanging endpoint is to be a host of its own, and only Linux answers to all of 127.0.0.0/8"
    return None


def run(stage: Stage, plan: Plan) -> Figures:
    """Publish gently to all; the endpoint's p99 with its neighbours off, and with them on."""
    events = min(plan.events or EVENTS, EVENTS)
    healthy = stage.integrate()
    with _open_silence() as silence:
        hanging = [stage.integrate(_never_answering(url)) for url in silence.ask("urls")["urls"]]
        url = stage.start(plan.workers)
        stage.endpoint.reset(timed=True)
        stage.warm_up(url)
        with open_publisher(url, stage.api_key) as publisher:
            before = stage.usage()
            _publish(stage, publisher, events, came=WARM_UP)
            _switch(stage, url, hanging, on=True)
            _publish(stage, publisher, events, came=WARM_UP + events)
            stage.wait_until_settled(healthy)
            prices = stage.prices(before, deliveries_made=2 * events)
        stage.say(f"{silence.ask('kept')['kept']:,} connections hang")
        _switch(stage, url, hanging, on=False)
    took = stage.endpoint.took()
    off, on = spread(took[:events]), spread(took[events:])
    return Figures(
        scenario=NAME,
        prices=prices,
        latencies={
            "publish sent, event received; neighbours off": off,
            f"publish sent, event received; {HANGING} hang": on,
        },
        ratios={f"p99, {HANGING} neighbours hang : off": on.p99 / off.p99},
        audit=stage.audit(WARM_UP + 2 * events, integration_id=healthy),
    )


def _never_answering(url: str) -> dict[str, object]:
    return {**load.integration_data(url), "enabled": False, "delivery": DELIVERY}


def _publish(stage: Stage, publisher: Publisher, events: int, *, came: int) -> None:
    """Publish so many events and wait until they have arrived after those that came before."""
    stage.say(f"publishing {events:,} events at {RATE:g} a second")
    publisher.begin(events, rate=RATE)

    def look(_: object) -> None:
        stage.check()
        publisher.accepted()

    stage.endpoint.wait_for(came + events, look=look)
    publisher.published()


def _switch(stage: Stage, url: str, integration_ids: Sequence[UUID], *, on: bool) -> None:
    verb = "enable" if on else "disable"
    stage.say(f"{verb} {len(integration_ids)} neighbours")
    with httpx.Client(trust_env=False, timeout=30, headers=stage.headers()) as client:
        for integration_id in integration_ids:
            answer = client.post(f"{url}/v2/integrations/{integration_id}/{verb}")
            if not answer.is_success:
                raise BenchFailed(f"to {verb} an integration was answered {answer.status_code}: {answer.text[:300]}")


@contextmanager
def _open_silence() -> Iterator[Child]:
    arguments = [str(HANGING)]
    with Child("the silent endpoints", "postrider.bench.silence", arguments, environment=os.environ) as child:
        yield child
