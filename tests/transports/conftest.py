"""Far sides that can be told what to answer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from servers.receiver import Receiver
from transports.scripted_broker import ScriptedBroker
from transports.sqs_queue import Queue, configuration, transport_to
from transports.sqs_service import SqsService


@pytest.fixture
def service(receiver: Receiver) -> SqsService:
    return SqsService(receiver)


@pytest.fixture
def queue(service: SqsService) -> Iterator[Queue]:
    with transport_to(service.endpoint_url) as transport:
        yield Queue(transport, configuration(service.queue_url))


@pytest.fixture
def broker() -> Iterator[ScriptedBroker]:
    with ScriptedBroker() as started:
        yield started
