"""Scenario: how fast a stored backlog is brought to one destination of a STOMP broker that confirms at once."""

from __future__ import annotations

import os

from . import load
from .backlog import bring
from .child import Child
from .endpoint import Endpoint
from .figures import Figures
from .plan import Plan
from .stage import Stage

NAME = "stomp"
DESTINATION = "/queue/orders"


def run(stage: Stage, plan: Plan) -> Figures:
    """Store the deliveries, then start the workers."""
    events = plan.events_for(NAME, embedded=stage.embedded)
    with Child("the STOMP broker", "postrider.bench.stomp_broker", environment=os.environ) as child:
        broker = Endpoint(child, address="stomp://127.0.0.1:{port}")
        configuration = {"addresses": [broker.url], "destination": DESTINATION}
        stage.integrate(load.integration_of("stomp", configuration))
        stage.fill(events)
        return bring(NAME, stage, plan, to=broker, events=events)
