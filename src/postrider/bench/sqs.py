"""Scenario: what it costs to bring a stored backlog to an SQS queue.

How fast it goes is a matter of the stand-in for AWS; the question is what our own processes use.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

import httpx

from . import load
from .backlog import bring
from .child import BenchFailed, Child
from .endpoint import Endpoint
from .figures import Figures
from .http_child import free_port, wait_until_ready
from .plan import Plan
from .stage import Stage

NAME = "sqs"
REGION = "eu-central-1"
ACCESS_KEY_ID = "AKIDOFTHEBENCH"
_QUEUE = "orders"
# The stand-in believes every signature; it reads from it which service and which region are meant.
_HEADERS = {
    "content-type": "application/x-amz-json-1.0",
    "x-amz-target": "AmazonSQS.CreateQueue",
    "authorization": f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY_ID}/20260101/{REGION}/sqs/aws4_request, "
    "SignedHeaders=host, Signature=0",
}


def lacks() -> str | None:
    """Say what is not installed that the scenario needs; None when all is."""
    if all(find_spec(name) for name in ("moto", "flask", "flask_cors")):
        return None
    return "it needs moto's server as a stand-in for AWS: pip install 'moto[server]'"


def run(stage: Stage, plan: Plan) -> Figures:
    """Store the deliveries, then start the workers."""
    events = plan.events_for(NAME, embedded=stage.embedded)
    with _open_aws() as aws:
        configuration = {
            "url": _create_queue(aws.url),
            "region": REGION,
            "aws_access_key_id": ACCESS_KEY_ID,
            "aws_secret_access_key": load.SECRET_KEY,
        }
        stage.give("POSTRIDER_AWS_ENDPOINT_URL", aws.url)
        stage.integrate(load.integration_of("aws_sqs", configuration))
        stage.fill(events)
        return bring(NAME, stage, plan, to=aws, events=events)


@contextmanager
def _open_aws() -> Iterator[Endpoint]:
    module, port = "postrider.bench.aws_stand_in", free_port()
    with Child("moto's server", module, [str(port)], environment=os.environ) as child:
        wait_until_ready(child, f"http://127.0.0.1:{port}/moto-api/data.json")
        yield Endpoint(child, address="http://127.0.0.1:{port}")


def _create_queue(endpoint_url: str) -> str:
    """Create the queue and give its URL."""
    answer = httpx.post(endpoint_url, json={"QueueName": _QUEUE}, headers=_HEADERS, trust_env=False, timeout=30)
    if not answer.is_success:
        raise BenchFailed(f"creating a queue was answered {answer.status_code}: {answer.text[:300]}")
    url: str = answer.json()["QueueUrl"]
    return url
