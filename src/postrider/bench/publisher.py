"""A client that publishes over kept connections, as fast as it is answered or at a rate, and times the answers."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import uvloop

from . import load
from .measured import answer_commands
from .wire import HEAD_END, LENGTH, header

ACCEPTED = b"202"
_SHOWN_BYTES = 300


@dataclass(frozen=True, slots=True)
class Order:
    """What to publish, where and how."""

    host: str
    port: int
    api_key: str
    first: int
    """The number of the first event."""
    events: int
    at_once: int
    """Events in a request."""
    rate: float | None
    """Events a second; None: a connection's next request follows its last answer."""
    connections: int


class Publishing:
    """One order's work; the loop's thread does it, any thread may look."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._idle: list[Connection] = []
        self._begun = 0
        self._begins_at = 0.0
        self._alarm: asyncio.TimerHandle | None = None
        self._first_ns = self._last_ns = 0
        self._took: list[int] = []
        self._failure: str | None = None
        self.accepted = 0

    async def begin(self) -> None:
        """Connect and send the first requests; what follows is done as answers come."""
        order, loop = self._order, asyncio.get_running_loop()
        head = _head(order)
        for _ in range(order.connections):
            _, made = await loop.create_connection(
                lambda: Connection(head, answered=self._answered, lost=self._lost), order.host, order.port
            )
            self._idle.append(made)
        self._begins_at, self._first_ns = loop.time(), time.monotonic_ns()
        self._send()

    def told(self) -> Mapping[str, Any]:
        """Tell how many events were accepted; raises RuntimeError once something went wrong."""
        if self._failure is not None:
            raise RuntimeError(self._failure)
        return {"accepted": self.accepted}

    def took(self) -> Mapping[str, Any]:
        """Tell when the first request went out, when the last answer came, and how long each answer took."""
        return {"first_ns": self._first_ns, "last_ns": self._last_ns, "answered": list(self._took)}

    def _send(self) -> None:
        order = self._order
        while self._idle and self._begun < order.events:
            if self._must_wait():
                return
            numbers = range(self._begun, min(self._begun + order.at_once, order.events))
            self._begun = numbers.stop
            # The one used last goes first: the server closes those that have nothing to do.
            self._idle.pop().send(range(order.first + numbers.start, order.first + numbers.stop))

    def _must_wait(self) -> bool:
        """Tell whether the next request is not due yet; `_send` is called again when it is."""
        if self._order.rate is None:
            return False
        loop, due_at = asyncio.get_running_loop(), self._begins_at + self._begun / self._order.rate
        if due_at <= loop.time():
            return False
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = loop.call_at(due_at, self._send)
        return True

    def _answered(self, connection: Connection, events: int, took_ns: int) -> None:
        self._took.append(took_ns)
        self.accepted += events
        self._last_ns = time.monotonic_ns()
        self._idle.append(connection)
        if self.accepted == self._order.events:
            self._close()
        else:
            self._send()

    def _lost(self, connection: Connection, complaint: str | None) -> None:
        if complaint is not None:
            self._failure = self._failure or complaint
        elif connection in self._idle:
            self._idle.remove(connection)

    def _close(self) -> None:
        for connection in self._idle.copy():
            connection.close()


class Connection(asyncio.Protocol):
    """Sends one request after the other, and reads just enough of the answers."""

    def __init__(
        self,
        head: bytes,
        *,
        answered: Callable[[Connection, int, int], None],
        lost: Callable[[Connection, str | None], None],
    ) -> None:
        self._head, self._on_answer, self._on_loss = head, answered, lost
        self._came = b""
        self._events, self._sent_ns = 0, 0
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def send(self, numbers: range) -> None:
        """Publish these events; they are sent at the moment that stands in them."""
        self._events, self._sent_ns = len(numbers), time.monotonic_ns()
        body = load.publish_request(numbers, sent_ns=self._sent_ns)
        self._transport.write(self._head % len(body) + body)

    def close(self) -> None:
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        self._came += data
        end = self._came.find(HEAD_END)
        if end < 0 or len(self._came) < end + 4 + int(header(self._came[: end + 2].lower(), LENGTH) or 0):
            return
        answer, self._came, events, self._events = self._came, b"", self._events, 0
        if answer[9:12] != ACCEPTED:
            said = f"{answer[9:12].decode('latin-1')}: {answer[end + 4 :][:_SHOWN_BYTES].decode(errors='replace')}"
            self._on_loss(self, f"publishing was answered {said}")
            return
        self._on_answer(self, events, time.monotonic_ns() - self._sent_ns)

    def connection_lost(self, _: Exception | None) -> None:
        self._on_loss(self, "the connection was closed before the answer" if self._events else None)


def _head(order: Order) -> bytes:
    """Make the head of every request by `%`: the body's length is to be filled in."""
    lines = (
        "POST /v2/events HTTP/1.1",
        f"host: {order.host}:{order.port}",
        f"authorization: Bearer {order.api_key}",
        "content-type: application/json",
    )
    head = "\r\n".join(lines).encode().replace(b"%", b"%%")
    return head + b"\r\ncontent-length: %d\r\n\r\n"


class _Desk:
    """Takes orders from the commands' thread for the loop's."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._publishing: Publishing

    def begin(self, **order: Any) -> Mapping[str, Any]:
        """Begin an order; the one before is over."""
        self._publishing = Publishing(Order(**order))
        asyncio.run_coroutine_threadsafe(self._publishing.begin(), self._loop).result()
        return {}

    def told(self) -> Mapping[str, Any]:
        return self._publishing.told()

    def took(self) -> Mapping[str, Any]:
        return self._publishing.took()


async def _serve() -> None:
    desk = _Desk(asyncio.get_running_loop())
    answer_commands({"begin": desk.begin, "told": desk.told, "took": desk.took})
    await asyncio.Event().wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve())
