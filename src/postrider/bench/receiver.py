"""The endpoint that deliveries are measured against: a process that answers 200 at once and notes what came when."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Mapping
from typing import Any, cast

import uvloop

from .measured import answer_commands

NAME = "Python, uvloop, one process"
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
_LENGTH, _ID = b"\r\ncontent-length:", b"\r\nwebhook-id:"


class Arrivals:
    """What came since the last reset; written by the loop alone, read from any thread."""

    def __init__(self) -> None:
        self._first_seen: dict[bytes, int] = {}
        self._count = 0
        self._awaited = 1
        self._reached = threading.Event()

    def add(self, message_id: bytes) -> None:
        """Note a request by its `webhook-id`."""
        self._count += 1
        self._first_seen.setdefault(message_id, time.monotonic_ns())
        if len(self._first_seen) == self._awaited:
            self._reached.set()

    def reset(self) -> Mapping[str, Any]:
        """Forget what came."""
        self._first_seen, self._count = {}, 0
        return self._told()

    def wait(self, *, messages: int, seconds: float) -> Mapping[str, Any]:
        """Answer once so many different messages came, or `seconds` went by."""
        self._reached.clear()
        self._awaited = messages
        if len(self._first_seen) < messages:
            self._reached.wait(seconds)
        return self._told()

    def ids(self) -> Mapping[str, Any]:
        """Name the messages that came."""
        return {"ids": [message_id.decode("latin-1") for message_id in list(self._first_seen)]}

    def _told(self) -> Mapping[str, Any]:
        stamps = list(self._first_seen.values())
        return {
            "requests": self._count,
            "messages": len(stamps),
            "first_ns": stamps[0] if stamps else None,
            "last_ns": stamps[-1] if stamps else None,
        }


class Connection(asyncio.Protocol):
    """Just enough of HTTP/1.1 for requests that say their length."""

    def __init__(self, arrivals: Arrivals) -> None:
        self._arrivals = arrivals
        self._rest = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        data = self._rest + data if self._rest else data
        while (end := data.find(b"\r\n\r\n")) >= 0:
            head = data[: end + 2].lower()
            after = end + 4 + int(_header(head, _LENGTH) or 0)
            if len(data) < after:
                break
            self._arrivals.add(_header(head, _ID))
            self._transport.write(ANSWER)
            data = data[after:]
        self._rest = data


def _header(head: bytes, name: bytes) -> bytes:
    at = head.find(name)
    if at < 0:
        return b""
    at += len(name)
    return head[at : head.index(b"\r\n", at)].strip()


async def _serve() -> None:
    arrivals = Arrivals()
    server = await asyncio.get_running_loop().create_server(lambda: Connection(arrivals), "127.0.0.1", 0, backlog=1024)
    port = server.sockets[0].getsockname()[1]
    answer_commands(
        {"port": lambda: {"port": port}, "reset": arrivals.reset, "wait": arrivals.wait, "ids": arrivals.ids}
    )
    await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve())
