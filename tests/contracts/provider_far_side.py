"""A far side of an HTTP provider: a receiver that answers as the provider documents it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from contracts.cases import SIGNING_SECRET
from servers.answers import Answer
from servers.receiver import Receiver, Request

from postrider.transports.guard import Guard
from postrider.transports.http import HttpEngine
from postrider.transports.registry import ConfiguredTransport, Surroundings


@dataclass
class ProviderFarSide:
    """A receiver and an engine; leaving it ends both."""

    stack: ExitStack
    make: Callable[[Surroundings], ConfiguredTransport]
    configure: Callable[[str], Mapping[str, Any]]
    """Makes a configuration for the address that the receiver has."""
    success: Callable[[Request], Answer]
    failure: Callable[[Request, str], Answer]
    """Makes an answer that refuses the request and holds the text, which says all secrets back."""
    own_secrets: tuple[str, ...]
    receiver: Receiver = field(init=False)

    def __post_init__(self) -> None:
        self.secrets = (*self.own_secrets, SIGNING_SECRET)
        self.listening = self.stack.enter_context(ExitStack())
        self.receiver = self.listening.enter_context(Receiver())
        self.transport = self._with(Guard(["127.0.0.0/8"]))
        self.configuration = self.configure(self.receiver.url_of(""))
        self.succeed()

    def _with(self, guard: Guard) -> ConfiguredTransport:
        engine = HttpEngine(guard)
        self.stack.callback(engine.stop)
        return self.make(Surroundings(engine, guard))

    def succeed(self) -> None:
        self.receiver.choose(self.success)

    def fail(self) -> None:
        said = " ".join(self.secrets)
        self.receiver.choose(lambda request: self.failure(request, said))

    def hang(self) -> None:
        self.receiver.choose(lambda _: None)
        self.receiver.hang()

    def vanish(self) -> None:
        self.listening.close()

    def received(self) -> list[bytes]:
        return [request.body for request in self.receiver.requests]

    def guarded(self) -> ConfiguredTransport:
        return self._with(Guard())
