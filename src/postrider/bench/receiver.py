"""The endpoint that deliveries are measured against: a process that answers 200 at once and notes what came when."""

from __future__ import annotations

import asyncio
from typing import cast

import uvloop

from . import load
from .arrivals import Arrivals
from .measured import answer_commands
from .wire import HEAD_END, LENGTH, header

NAME = "Python, uvloop, one process"
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
_ID = b"\r\nwebhook-id:"


class Connection(asyncio.Protocol):
    """Takes one request after the other."""

    def __init__(self, arrivals: Arrivals) -> None:
        self._arrivals = arrivals
        self._rest = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        data = self._rest + data if self._rest else data
        while (end := data.find(HEAD_END)) >= 0:
            head = data[: end + 2].lower()
            after = end + 4 + int(header(head, LENGTH) or 0)
            if len(data) < after:
                break
            self._note(header(head, _ID), data, end, after)
            self._transport.write(ANSWER)
            data = data[after:]
        self._rest = data

    def _note(self, message_id: bytes, data: bytes, start: int, end: int) -> None:
        if self._arrivals.timed:
            self._arrivals.add_timed(message_id, load.sent_ns(data, start, end))
        else:
            self._arrivals.add(message_id)


async def _serve() -> None:
    arrivals = Arrivals()
    server = await asyncio.get_running_loop().create_server(lambda: Connection(arrivals), "127.0.0.1", 0, backlog=1024)
    port = server.sockets[0].getsockname()[1]
    answer_commands({"port": lambda: {"port": port}, **arrivals.commands()})
    await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve())
