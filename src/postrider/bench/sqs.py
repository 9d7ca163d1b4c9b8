"""Scenario: what it costs to bring a stored backlog to an SQS queue.

How fast it goes is a matter of the stand-in for AWS; the question is what our own processes use.
"""

from __future__ import annotations

from importlib.util import find_spec

from . import load
from .backlog import bring
from .figures import Figures
from .plan import Plan
from .sqs_queue import ACCESS_KEY_ID, REGION, open_queue
from .stage import Stage

NAME = "sqs"


def lacks() -> str | None:
    """Say what is not installed that the scenario needs; None when all is."""
    if all(find_spec(name) for name in ("moto", "flask", "flask_cors")):
        return None
    return "it needs moto's server as a stand-in for AWS: pip install 'moto[server]'"


def run(stage: Stage, plan: Plan) -> Figures:
    """Store the deliveries, then start the workers; the audit receives every message of the queue."""
    events = plan.events_for(NAME, embedded=stage.embedded)
    with open_queue() as queue:
        configuration = {
            "url": queue.url,
            "region": REGION,
            "aws_access_key_id": ACCESS_KEY_ID,
            "aws_secret_access_key": load.SECRET_KEY,
        }
        stage.give("POSTRIDER_AWS_ENDPOINT_URL", queue.endpoint_url)
        stage.integrate(load.integration_of("aws_sqs", configuration))
        stage.fill(events)
        return bring(NAME, stage, plan, to=queue, events=events)
