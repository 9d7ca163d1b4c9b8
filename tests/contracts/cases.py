"""What the contract suite needs from each transport: a real far side that can be made to behave and misbehave.

A transport joins the suite by a file `<type name>_case.py` in this folder that holds `CASE`.
"""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID, uuid4

from postrider.domain.delivery import Claimed
from postrider.domain.integration import DeliveryPolicy, Integration
from postrider.domain.message import Message, Sender, compose
from postrider.domain.outcome import Landed, Outcome
from postrider.domain.ports import Flight, FlightLimits
from postrider.transports.registry import ConfiguredTransport

SIGNING_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo="
NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
SLACK = 0.5
"""Seconds after its deadline by which every outcome must be there."""


class FarSide(Protocol):
    """A real server on a free port of 127.0.0.1, and the transport under test, which may connect there."""

    transport: ConfiguredTransport
    configuration: Mapping[str, Any]
    """Valid for the transport's model; holds `secrets`."""
    secrets: tuple[str, ...]
    """What no outcome may hold; `fail` says them back to the sender where the protocol can."""

    def succeed(self) -> None:
        """Take every message from now on (as it does from the start)."""

    def fail(self) -> None:
        """Answer every message with an error from now on."""

    def hang(self) -> None:
        """Take connections and bytes from now on, and answer nothing."""

    def vanish(self) -> None:
        """Stop listening and drop all connections."""

    def received(self) -> list[bytes]:
        """List the bodies that arrived, in the order of their coming."""

    def guarded(self) -> ConfiguredTransport:
        """Give the transport with a guard that allows no private network; never asked of a case that is not."""


def as_it_is(message: Message) -> bytes:
    """Give the body of a message that its transport sends as it was composed."""
    return message.body


@dataclass(frozen=True, slots=True)
class Case:
    """One transport's place in the suite."""

    name: str
    start: Callable[[], AbstractContextManager[FarSide]]
    """Start the far side and what the transport needs; end both on leaving."""
    guarded: bool = True
    """Who writes an integration chooses the address; False where only the operator can."""
    arrives: Callable[[Message], bytes] = as_it_is
    """Says which body arrives for a message, told apart from what the transport makes of it."""


def all_cases() -> list[Case]:
    """Load the case of every `*_case.py` in this folder."""
    names = sorted(path.stem for path in Path(__file__).parent.glob("*_case.py"))
    return [importlib.import_module(f"contracts.{name}").CASE for name in names]


def integration_for(far_side: FarSide) -> Integration:
    """Make an integration that points at the far side."""
    return Integration(
        id=uuid4(),
        tenant_id=uuid4(),
        integration_type=far_side.transport.type_name,
        name="Contract",
        description="",
        enabled=True,
        observes=("order.paid",),
        configuration=far_side.transport.configuration_model.parse(far_side.configuration).stored(),
        policy=DeliveryPolicy(),
        signing_secret=SIGNING_SECRET,
        version=1,
        created_at=NOW,
        updated_at=NOW,
    )


def message_for(
    integration: Integration, transport: ConfiguredTransport, payload: bytes = b'{"total":1.10}'
) -> Message:
    """Compose a message as the pipeline does."""
    claimed = Claimed(
        delivery_id=uuid4(),
        tenant_id=integration.tenant_id,
        integration_id=integration.id,
        integration_version=1,
        event_id=uuid4(),
        event_type="order.paid",
        payload=payload,
        attempt=1,
        round_start=0,
        lost=0,
        token=uuid4(),
        started_at=NOW,
        lease_until=NOW + timedelta(minutes=1),
        published_at=NOW,
    )
    sender = Sender(store_id="store-1", org_id="org-1", public_url="https://postrider.test")
    return compose(claimed, integration, sender, dialect=transport.dialect, body_limit=transport.body_limit, now=NOW)


@dataclass
class Trip:
    """A flight under test, and how often it has called `wake`."""

    integration: Integration
    transport: ConfiguredTransport
    timeout: float
    max_in_flight: int
    wakes: list[float] = field(default_factory=list)
    flight: Flight = field(init=False)

    def __post_init__(self) -> None:
        limits = FlightLimits(timedelta(seconds=self.timeout), self.max_in_flight, ((200, 299),))
        self.flight = self.transport.open(self.integration, limits, lambda: self.wakes.append(time.monotonic()))

    def messages(self, count: int, payload: bytes = b'{"total":1.10}') -> list[Message]:
        return [message_for(self.integration, self.transport, payload) for _ in range(count)]

    def send(self, messages: list[Message]) -> dict[UUID, Outcome]:
        """Put the messages in as there is room and wait for all their outcomes, a little past the deadline."""
        waiting, landed = list(messages), dict[UUID, Outcome]()
        until = time.monotonic() + self.timeout + SLACK
        while len(landed) < len(messages) and time.monotonic() < until:
            room = self.flight.room()
            if waiting and room > 0:
                self.flight.put(waiting[:room])
                del waiting[:room]
            add(landed, self.flight.take(0.05))
        return landed

    def take_all(self, count: int, *, within: float) -> dict[UUID, Outcome]:
        """Take until `count` outcomes are there or the time is over."""
        landed, until = dict[UUID, Outcome](), time.monotonic() + within
        while len(landed) < count and time.monotonic() < until:
            add(landed, self.flight.take(0.05))
        return landed


def add(landed: dict[UUID, Outcome], more: list[Landed]) -> None:
    """Note outcomes; a second one for a message breaks the contract."""
    for one in more:
        assert one.message_id not in landed, f"two outcomes for {one.message_id}"
        landed[one.message_id] = one.outcome


@contextmanager
def trip(
    far_side: FarSide,
    *,
    timeout: float = 5.0,
    max_in_flight: int = 8,
    transport: ConfiguredTransport | None = None,
) -> Iterator[Trip]:
    """Open a flight against the far side, and close it at the end."""
    one = Trip(integration_for(far_side), transport or far_side.transport, timeout, max_in_flight)
    try:
        yield one
    finally:
        one.flight.close()
