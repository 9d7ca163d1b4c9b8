"""The publisher, as the scenarios use it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

from .child import BenchFailed, Child

CONNECTIONS = 32
_ANSWER_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Published:
    """What became of an order; moments are nanoseconds of the monotonic clock."""

    first_ns: int
    """When the first request was about to go out."""
    last_ns: int
    """When the last answer came."""
    answered: list[int]
    """How many nanoseconds each request waited for its answer."""


class Publisher:
    """The publisher process, and where it publishes."""

    def __init__(self, child: Child, url: str, api_key: str) -> None:
        self._child = child
        self._address = urlsplit(url)
        self._api_key = api_key
        self._ordered = self._events = 0

    def begin(self, events: int, *, at_once: int = 1, rate: float | None = None) -> None:
        """Begin to publish further events, so many in a request; what was ordered before must have been accepted."""
        first, self._events = self._ordered, events
        self._ordered += events
        self._child.ask(
            "begin",
            host=self._address.hostname,
            port=self._address.port,
            api_key=self._api_key,
            first=first,
            events=events,
            at_once=at_once,
            rate=rate,
            connections=min(CONNECTIONS, -(-events // at_once)),
        )

    def accepted(self) -> int:
        """Tell how many events of the order were accepted; BenchFailed when one was refused."""
        accepted: int = self._child.ask("told")["accepted"]
        return accepted

    def published(self) -> Published:
        """Tell how it went, once every request is answered; what it made may have arrived before."""
        give_up_at = time.monotonic() + _ANSWER_SECONDS
        while (accepted := self.accepted()) < self._events:
            if time.monotonic() > give_up_at:
                raise BenchFailed(f"only {accepted:,} of {self._events:,} events were accepted")
            time.sleep(0.005)
        return Published(**self._child.ask("took"))


@contextmanager
def open_publisher(url: str, api_key: str) -> Iterator[Publisher]:
    """Start a publisher to what takes events at `url`."""
    with Child("the publisher", "postrider.bench.publisher", environment=os.environ) as child:
        yield Publisher(child, url, api_key)
