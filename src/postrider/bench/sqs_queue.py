"""A queue of moto's server, which stands in for AWS: how much is in it, and all that is."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import httpx

from .child import BenchFailed, Child
from .endpoint import Arrivals, patiently
from .http_child import free_port, wait_until_ready

REGION = "eu-central-1"
ACCESS_KEY_ID = "AKIDOFTHEBENCH"
LOOK_SECONDS = 0.1
_AT_ONCE = 10
"""The most that SQS gives in a call."""
_HIDDEN_SECONDS = 43_200
"""Longer than an audit takes: what was received once does not come back."""


class Queue:
    """What deliveries come to, in the place of the endpoint; moments are those that the queue notes, in whole ms."""

    def __init__(self, client: httpx.Client, endpoint_url: str) -> None:
        self._client = client
        self.endpoint_url = endpoint_url
        self.url: str = self._ask("CreateQueue", QueueName="orders")["QueueUrl"]
        self._received: dict[str, int] = {}
        self._count = 0

    def wait_for(self, messages: int, *, look: Callable[[Arrivals], None]) -> Arrivals:
        """Look into the queue again and again until it says that so many messages are in it."""

        def wait(seconds: float) -> Arrivals:
            until = time.monotonic() + seconds
            while (there := self._size()) < messages and time.monotonic() < until:
                time.sleep(LOOK_SECONDS)
            return Arrivals(there, there, None, None)

        return patiently(wait, messages, look=look)

    def arrivals(self) -> Arrivals:
        """Receive all that is in the queue; slow."""
        while found := self._receive():
            for message in found:
                self._count += 1
                sent_ns = int(message["Attributes"]["SentTimestamp"]) * 1_000_000
                self._received.setdefault(message["MessageAttributes"]["webhook-id"]["StringValue"], sent_ns)
        moments = self._received.values()
        first_ns, last_ns = min(moments, default=None), max(moments, default=None)
        return Arrivals(self._count, len(self._received), first_ns, last_ns)

    def ids(self) -> list[str]:
        """Name the messages that were received."""
        return list(self._received)

    def _size(self) -> int:
        wanted = ["ApproximateNumberOfMessages"]
        told = self._ask("GetQueueAttributes", QueueUrl=self.url, AttributeNames=wanted)
        return int(told["Attributes"][wanted[0]])

    def _receive(self) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = self._ask(
            "ReceiveMessage",
            QueueUrl=self.url,
            MaxNumberOfMessages=_AT_ONCE,
            VisibilityTimeout=_HIDDEN_SECONDS,
            MessageAttributeNames=["webhook-id"],
            AttributeNames=["SentTimestamp"],
        ).get("Messages", [])
        return messages

    def _ask(self, action: str, **members: Any) -> Mapping[str, Any]:
        answer = self._client.post(
            self.endpoint_url, json=members, headers={"x-amz-target": f"AmazonSQS.{action}", **_HEADERS}
        )
        if not answer.is_success:
            raise BenchFailed(f"{action} was answered {answer.status_code}: {answer.text[:300]}")
        told: Mapping[str, Any] = answer.json()
        return told


# The stand-in believes every signature; it reads from it which service and which region are meant.
_HEADERS = {
    "content-type": "application/x-amz-json-1.0",
    "authorization": f"AWS4-HMAC-SHA256 Credential={ACCESS_KEY_ID}/20260101/{REGION}/sqs/aws4_request, "
    "SignedHeaders=host, Signature=0",
}


@contextmanager
def open_queue() -> Iterator[Queue]:
    """Start the stand-in with an empty queue."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    arguments = ["moto.server", "--host", "127.0.0.1", "--port", str(port)]
    with Child("moto's server", "postrider.bench.measured", arguments, environment=os.environ) as child:
        wait_until_ready(child, f"{url}/moto-api/data.json")
        with httpx.Client(trust_env=False, timeout=30) as client:
            yield Queue(client, url)
