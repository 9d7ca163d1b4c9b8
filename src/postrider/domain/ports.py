"""The seams: what the rules and the pipeline need from outside, as one-method shapes where that is enough."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Protocol
from uuid import UUID

from .exhibit import Exhibit
from .integration import Integration
from .message import Dialect, Message
from .outcome import Landed


class Clock(Protocol):
    """What time it is, in UTC, never going back."""

    def now(self) -> datetime: ...


class Ring(Protocol):
    """Ring the doorbell of some integrations, or of fan-out; never blocks, never raises."""

    def fan_out(self) -> None: ...

    def deliver(self, integration_ids: Iterable[UUID]) -> None: ...

    def healthy(self) -> bool:
        """Tell whether the last ring went out."""


class Broker(Protocol):
    """What can be asked about the broker, by people who look at it."""

    def depths(self, *, timeout_seconds: float) -> Mapping[str, int] | None:
        """Tell how many rings wait in each queue; None when the broker does not answer in time. Never raises."""


@dataclass(frozen=True, slots=True)
class FlightLimits:
    """What a flight must keep to."""

    timeout: timedelta
    """No message stays in the flight for longer than this."""
    max_in_flight: int
    success_statuses: tuple[tuple[int, int], ...]


class Flight(Protocol):
    """Messages on their way to one integration, over connections that are kept.

    Called by one thread at a time. Never raises for what the far side did: that is an outcome.
    """

    def room(self) -> int:
        """Tell how many more messages may be put in now."""

    def put(self, messages: Sequence[Message]) -> None:
        """Take messages, at most `room()`, and begin to send them; returns at once."""

    def take(self, wait: float) -> list[Landed]:
        """Hand over the outcomes known since the last call, waiting up to `wait` seconds for the first."""

    def close(self) -> list[UUID]:
        """Stop; give the ids of messages of which no byte was sent. Outcomes not taken yet can still be taken."""


class Transport(Protocol):
    """A way out, such as webhook; one object a process."""

    type_name: ClassVar[str]
    """As in `integration_type`."""
    dialect: ClassVar[Dialect]
    body_limit: ClassVar[int | None]
    """The largest body in bytes that the far side takes; None: no limit of its own."""

    def open(self, integration: Integration, limits: FlightLimits, wake: Callable[[], None]) -> Flight:
        """Open a flight for an integration.

        `wake` is called, from any thread, whenever there are outcomes to take or there is room again.
        """

    def exhibit(self, integration: Integration, message: Message) -> Exhibit | None:
        """Show what is sent for a message, made by what really sends it, with every secret masked.

        None, or no such method at all: this type does not show it. Raises InvalidInput for a configuration that is
        not valid any more. A message body is not repeated in the note.
        """
