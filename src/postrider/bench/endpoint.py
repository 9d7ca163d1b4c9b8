"""The far sides and the bare loop, as the scenarios use them."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from . import load
from .child import BenchFailed, Child

IN_FLIGHT = (64, 128)
PATIENCE_SECONDS = 90.0
"""Without any arrival for so long, a scenario is given up."""
LOOK_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Arrivals:
    """What came to the endpoint since it was reset; moments are nanoseconds of the monotonic clock."""

    requests: int
    messages: int
    first_ns: int | None
    last_ns: int | None


class FarSide(Protocol):
    """What deliveries come to."""

    def arrivals(self) -> Arrivals:
        """Tell what came so far."""

    def ids(self) -> list[str]:
        """Name the messages that came."""

    def wait_for(self, messages: int, *, look: Callable[[Arrivals], None]) -> Arrivals:
        """Return once so many different messages came; `look` is called every few seconds until then.

        BenchFailed when nothing more comes.
        """


class Endpoint:
    """A process that notes what comes to it: the receiver, or one that speaks something else."""

    def __init__(self, child: Child, *, address: str = "http://127.0.0.1:{port}/hook") -> None:
        self._child = child
        self.url = address.format(**child.ask("port"))

    def reset(self, *, timed: bool = False) -> None:
        """Forget what came; `timed` lets the receiver look for the moment of sending in what comes from now on."""
        self._child.ask("reset", timed=timed)

    def took(self) -> list[int]:
        """Tell how many nanoseconds the messages took that said when they were sent, in the order of coming."""
        took: list[int] = self._child.ask("took")["took"]
        return took

    def arrivals(self) -> Arrivals:
        return Arrivals(**self._child.ask("wait", messages=0, seconds=0))

    def ids(self) -> list[str]:
        """Name the messages that came, in the order of coming."""
        ids: list[str] = self._child.ask("ids")["ids"]
        return ids

    def wait_for(self, messages: int, *, look: Callable[[Arrivals], None] = lambda _: None) -> Arrivals:
        """Return once so many different messages came, at the moment when they did."""

        def wait(seconds: float) -> Arrivals:
            return Arrivals(**self._child.ask("wait", messages=messages, seconds=seconds))

        return patiently(wait, messages, look=look)


def patiently(wait: Callable[[float], Arrivals], messages: int, *, look: Callable[[Arrivals], None]) -> Arrivals:
    """Call `wait` with seconds until it tells of so many messages; BenchFailed when nothing more comes."""
    had, give_up_at = -1, 0.0
    while True:
        came = wait(LOOK_SECONDS)
        if came.messages >= messages:
            return came
        if came.messages > had:
            had, give_up_at = came.messages, time.monotonic() + PATIENCE_SECONDS
        if time.monotonic() > give_up_at:
            raise BenchFailed(f"only {had:,} of {messages:,} messages came; nothing for {PATIENCE_SECONDS:g} s")
        look(came)


@contextmanager
def open_endpoint(environment: Mapping[str, str]) -> Iterator[Endpoint]:
    """Start the receiver."""
    with Child("the receiver", "postrider.bench.receiver", environment=environment) as child:
        yield Endpoint(child)


@dataclass(frozen=True, slots=True)
class Bare:
    """How many requests a second the bare loop made, by how many were in flight."""

    per_second: Mapping[int, float]

    @property
    def best(self) -> float:
        return max(self.per_second.values())


def measure_bare_loop(endpoint: Endpoint, environment: Mapping[str, str], *, seconds: float) -> Bare:
    """Post the same bytes and headers with nothing stored, in a process of its own, for `seconds` at each width."""
    message = load.sample_message(endpoint.url)
    body = base64.b64encode(message.body).decode()
    with Child("the bare loop", "postrider.bench.bare_loop", environment=environment) as child:
        found = {
            width: child.ask(
                "run",
                patience=seconds + 60,
                url=endpoint.url,
                body=body,
                headers=message.headers,
                in_flight=width,
                seconds=seconds,
            )
            for width in IN_FLIGHT
        }
    return Bare({width: answer["requests"] / answer["seconds"] for width, answer in found.items()})
