"""Scenario: how soon one event arrives when nothing else happens."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass

import httpx

from . import load
from .child import BenchFailed
from .figures import Figures, Spread, spread
from .plan import Plan
from .stage import Stage

NAME = "idle-latency"
WARM_UP = 10
"""Samples that are not counted: they open connections and fill caches."""
REST_SECONDS = 0.05


@dataclass(frozen=True, slots=True)
class _Sample:
    """How long it took from the moment of sending, in nanoseconds."""

    received: int
    answered: int


def run(stage: Stage, plan: Plan) -> Figures:
    """Publish one event at a time over one kept connection, at rest between."""
    stage.integrate()
    url = stage.start(plan.workers)
    with httpx.Client(trust_env=False, timeout=30) as client:
        overhead = _measure_client(stage, client, plan.samples)
        stage.endpoint.reset()
        headers = stage.headers()
        for number in range(WARM_UP):
            _publish(stage, client, url, headers, number)
        before = stage.usage()
        samples = []
        for number in range(WARM_UP, WARM_UP + plan.samples):
            samples.append(_publish(stage, client, url, headers, number))
            if number % 50 == 0:
                stage.say(f"{len(samples)} of {plan.samples} samples taken")
    return Figures(
        scenario=NAME,
        latencies={
            "publish sent, event received": spread([sample.received for sample in samples]),
            "publish sent, 202 answered": spread([sample.answered for sample in samples]),
            **overhead,
        },
        prices=stage.prices(before, deliveries_made=plan.samples),
        audit=stage.audit(WARM_UP + plan.samples),
    )


def _publish(stage: Stage, client: httpx.Client, url: str, headers: dict[str, str], number: int) -> _Sample:
    body = _body(number)
    sent = time.monotonic_ns()
    answer = client.post(f"{url}/v2/events", content=body, headers=headers)
    answered = time.monotonic_ns()
    if answer.status_code != httpx.codes.ACCEPTED:
        raise BenchFailed(f"publishing was answered {answer.status_code}: {answer.text[:300]}")
    came = stage.endpoint.wait_for(number + 1, look=lambda _: stage.check())
    stage.wait_until_settled()
    time.sleep(REST_SECONDS)
    return _Sample(received=(came.last_ns or 0) - sent, answered=answered - sent)


def _measure_client(stage: Stage, client: httpx.Client, samples: int) -> dict[str, Spread]:
    """Post the same bytes straight to the endpoint: what the client and the endpoint themselves cost."""
    stage.endpoint.reset()
    received, answered = [], []
    for number in range(samples):
        body = _body(number)
        sent = time.monotonic_ns()
        client.post(stage.endpoint.url, content=body, headers={"webhook-id": str(number)})
        answered.append(time.monotonic_ns() - sent)
        received.append((stage.endpoint.arrivals().last_ns or 0) - sent)
        time.sleep(REST_SECONDS / 10)
    return {
        "of it, the client: sent, received": spread(received),
        "of it, the client: sent, answered": spread(answered),
    }


def _body(number: int) -> bytes:
    event = {"type": "event", "event_type": load.EVENT_TYPE, "payload": json.loads(load.payload(number))}
    return json.dumps({"data": event}, ensure_ascii=False).encode()
