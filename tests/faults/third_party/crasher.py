"""A third party's transport with a mistake: one message ends the whole process."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, ClassVar
from uuid import UUID

from postrider.domain.integration import Integration
from postrider.domain.message import Message
from postrider.domain.outcome import Landed
from postrider.domain.ports import Flight, FlightLimits
from postrider.transports.webhook import WebhookTransport

POISON = b'"order-777"'


class CrasherTransport(WebhookTransport):
    """Sends as a webhook does, but for the one message."""

    type_name: ClassVar[str] = "crasher"

    def open(self, integration: Integration, limits: FlightLimits, wake: Callable[[], None]) -> Any:
        return _Flight(super().open(integration, limits, wake))


class _Flight:
    def __init__(self, inner: Flight) -> None:
        self._inner = inner

    def room(self) -> int:
        return self._inner.room()

    def put(self, messages: Sequence[Message]) -> None:
        if any(POISON in message.body for message in messages):
            os._exit(70)
        self._inner.put(messages)

    def take(self, wait: float) -> list[Landed]:
        return self._inner.take(wait)

    def close(self) -> list[UUID]:
        return self._inner.close()
