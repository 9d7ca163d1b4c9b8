"""The STOMP transport's place in the contract suite: a broker that can be told what to say."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from contracts.cases import SIGNING_SECRET, Case
from transports.scripted_broker import ScriptedBroker, connected, error, nothing, receipt

from postrider.transports.guard import Guard
from postrider.transports.http import HttpEngine
from postrider.transports.registry import ConfiguredTransport, Surroundings
from postrider.transports.stomp import StompTransport

PASSWORD = 'canary-"pass"/word'


@dataclass
class StompFarSide:
    """A broker and a transport that may connect to it."""

    stack: ExitStack
    broker: ScriptedBroker = field(init=False)
    secrets: tuple[str, ...] = (PASSWORD, SIGNING_SECRET)

    def __post_init__(self) -> None:
        self.broker = self.stack.enter_context(ScriptedBroker())
        self.transport = self.transport_with(Guard(["127.0.0.0/8"]))
        self.configuration = {
            "addresses": [self.broker.address],
            "destination": "/queue/orders",
            "username": "courier",
            "password": PASSWORD,
        }

    def transport_with(self, guard: Guard) -> ConfiguredTransport:
        return StompTransport(Surroundings(HttpEngine(guard), guard))

    def succeed(self) -> None:
        self.broker.on_connect, self.broker.on_send = connected, receipt

    def fail(self) -> None:
        self.broker.on_send = lambda frame: error("no", f"I was told {' '.join(self.secrets)}", of=frame)

    def hang(self) -> None:
        self.broker.on_connect = self.broker.on_send = nothing

    def vanish(self) -> None:
        self.broker.vanish()

    def received(self) -> list[bytes]:
        return [frame.body for frame in self.broker.sent]

    def guarded(self) -> ConfiguredTransport:
        return self.transport_with(Guard())


@contextmanager
def far_side() -> Iterator[StompFarSide]:
    with ExitStack() as stack:
        yield StompFarSide(stack)


CASE = Case("stomp", far_side)
