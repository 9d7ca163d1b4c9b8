"""Sends single messages through a provider's transport to a receiver that stands in for the provider."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from contracts.cases import NOW, SIGNING_SECRET, add, message_for
from servers.answers import reply
from servers.receiver import Receiver, Request

from postrider.domain.exhibit import Exhibit
from postrider.domain.integration import DeliveryPolicy, Integration
from postrider.domain.message import Message
from postrider.domain.outcome import Outcome
from postrider.domain.ports import FlightLimits
from postrider.transports.guard import Guard
from postrider.transports.http import HttpEngine
from postrider.transports.registry import ConfiguredTransport, Surroundings

PAYLOAD = b'{"data":{"id":"o-1","total":1.10,"customer":{"name":"Ada","phone":"+15035550142"}}}'
LOOPBACK = Guard(["127.0.0.0/8"])


@dataclass
class Provider:
    """A transport, the receiver that it sends to, and a configuration for both."""

    transport: ConfiguredTransport
    receiver: Receiver
    configuration: Mapping[str, Any]

    def integration(self, **changes: Any) -> Integration:
        given = {name: value for name, value in {**self.configuration, **changes}.items() if value is not None}
        return Integration(
            id=UUID(int=1),
            tenant_id=UUID(int=2),
            integration_type=self.transport.type_name,
            name="Orders",
            description="",
            enabled=True,
            observes=("order.paid",),
            configuration=self.transport.configuration_model.parse(given).stored(),
            policy=DeliveryPolicy(),
            signing_secret=SIGNING_SECRET,
            version=1,
            created_at=NOW,
            updated_at=NOW,
        )

    def message(self, integration: Integration, payload: bytes = PAYLOAD) -> Message:
        return message_for(integration, self.transport, payload)

    def send(
        self, *, payload: bytes = PAYLOAD, success: tuple[tuple[int, int], ...] = ((200, 299),), **changes: Any
    ) -> Outcome:
        """Send one message with a changed configuration; gives its outcome without the duration."""
        integration = self.integration(**changes)
        limits = FlightLimits(timedelta(seconds=3), 4, success)
        flight = self.transport.open(integration, limits, lambda: None)
        flight.put([self.message(integration, payload)])
        landed: dict[UUID, Outcome] = {}
        while not landed:
            add(landed, flight.take(4))
        flight.close()
        (outcome,) = landed.values()
        return replace(outcome, duration=timedelta(0))

    def answers(self, status: int, body: object, headers: Mapping[str, str] | None = None) -> None:
        """Let the receiver answer with JSON, or with bytes as they are."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.receiver.use(reply(status, content, headers))

    def request(self) -> Request:
        """Give the one request that came."""
        (request,) = self.receiver.requests
        return request

    def shown(self, **changes: Any) -> Exhibit:
        integration = self.integration(**changes)
        found = self.transport.exhibit(integration, self.message(integration))
        assert found is not None
        return found


@contextmanager
def provider(
    make: type[ConfiguredTransport], receiver: Receiver, configuration: Mapping[str, Any]
) -> Iterator[Provider]:
    """Make a transport that may send to this machine; its engine ends with the block."""
    engine = HttpEngine(LOOPBACK)
    try:
        yield Provider(make(Surroundings(engine, LOOPBACK)), receiver, configuration)
    finally:
        engine.stop()
