"""The webhook transport's place in the contract suite: an HTTP receiver."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from contracts.cases import SIGNING_SECRET, Case
from servers.answers import reply
from servers.receiver import Receiver

from postrider.transports.guard import Guard
from postrider.transports.http import HttpEngine
from postrider.transports.registry import ConfiguredTransport, Surroundings
from postrider.transports.webhook import WebhookTransport

SECRET_KEY = 'canary-"secret"/key'


@dataclass
class WebhookFarSide:
    """A receiver and an engine; leaving it ends both."""

    stack: ExitStack
    receiver: Receiver = field(init=False)
    secrets: tuple[str, ...] = (SECRET_KEY, SIGNING_SECRET)

    def __post_init__(self) -> None:
        self.listening = self.stack.enter_context(ExitStack())
        self.receiver = self.listening.enter_context(Receiver())
        self.transport = self.transport_with(Guard(["127.0.0.0/8"]))
        self.configuration = {"url": self.receiver.url_of("/hook"), "secret_key": SECRET_KEY}

    def transport_with(self, guard: Guard) -> ConfiguredTransport:
        engine = HttpEngine(guard)
        self.stack.callback(engine.stop)
        return WebhookTransport(Surroundings(engine, guard))

    def succeed(self) -> None:
        self.receiver.choose(lambda _: None)
        self.receiver.answer(200)

    def fail(self) -> None:
        self.receiver.choose(
            lambda request: reply(
                500, request.body + SIGNING_SECRET.encode(), {"X-Echo": request.headers["x-moltin-secret-key"]}
            )
        )

    def hang(self) -> None:
        self.receiver.choose(lambda _: None)
        self.receiver.hang()

    def vanish(self) -> None:
        self.listening.close()

    def received(self) -> list[bytes]:
        return [request.body for request in self.receiver.requests]

    def guarded(self) -> ConfiguredTransport:
        return self.transport_with(Guard())


@contextmanager
def far_side() -> Iterator[WebhookFarSide]:
    with ExitStack() as stack:
        yield WebhookFarSide(stack)


CASE = Case("webhook", far_side)
