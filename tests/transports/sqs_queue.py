"""A transport to SQS and the configuration of one queue, in the shape in which the contract suite takes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from postrider.transports.aws_sqs import SqsTransport
from postrider.transports.guard import Guard
from postrider.transports.http import HttpEngine
from postrider.transports.registry import Surroundings

KEY_ID, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"


@dataclass
class Queue:
    """Where a test sends."""

    transport: SqsTransport
    configuration: Mapping[str, Any]


@contextmanager
def transport_to(endpoint_url: str) -> Iterator[SqsTransport]:
    """Make a transport as a worker does whose operator names this endpoint; close it at the end."""
    guard = Guard()
    transport = SqsTransport(Surroundings(HttpEngine(guard), guard, endpoint_url))
    try:
        yield transport
    finally:
        transport.close()


def configuration(url: str, **changes: str) -> dict[str, str]:
    given = {"url": url, "aws_access_key_id": KEY_ID, "aws_secret_access_key": SECRET, "region": "eu-central-1"}
    return given | changes
