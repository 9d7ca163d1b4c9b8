"""A STOMP broker that keeps nothing: a process that confirms each message at once and notes what came when."""

from __future__ import annotations

import asyncio
from typing import cast

import uvloop

from .arrivals import Arrivals
from .measured import answer_commands

CONNECTED = b"CONNECTED\nversion:1.2\nheart-beat:0,0\n\n\0"
RECEIPT = b"RECEIPT\nreceipt-id:%s\n\n\0"
_HEAD_END, _LENGTH, _ID, _RECEIPT = b"\n\n", b"\ncontent-length:", b"\nwebhook-id:", b"\nreceipt:"


class Connection(asyncio.Protocol):
    """Just enough of STOMP 1.2 for a client that sends: line ends are single, and headers need no unescaping."""

    def __init__(self, arrivals: Arrivals) -> None:
        self._arrivals = arrivals
        self._rest = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        data, start, answers = self._rest + data, 0, []
        while (head_end := data.find(_HEAD_END, start)) >= 0:
            head = data[start : head_end + 1].lstrip(b"\n")
            end = _frame_end(data, head, head_end + 2)
            if not 0 <= end < len(data):
                break
            answers.append(self._answer(head))
            start = end + 1
        self._rest = data[start:]
        self._transport.write(b"".join(answers))

    def _answer(self, head: bytes) -> bytes:
        if head.startswith((b"CONNECT\n", b"STOMP\n")):
            return CONNECTED
        if head.startswith(b"SEND\n"):
            self._arrivals.add(header(head, _ID))
        receipt = header(head, _RECEIPT)
        return RECEIPT % receipt if receipt else b""


def header(head: bytes, name: bytes) -> bytes:
    """Give a header's value, empty when it is not there; the head ends with its last line's end."""
    at = head.find(name)
    return head[at + len(name) : head.index(b"\n", at + 1)] if at >= 0 else b""


def _frame_end(data: bytes, head: bytes, body: int) -> int:
    """Find the NUL that ends the frame; negative, or behind the data, when it has not come."""
    length = header(head, _LENGTH)
    return body + int(length) if length else data.find(b"\0", body)


async def _serve() -> None:
    arrivals = Arrivals()
    server = await asyncio.get_running_loop().create_server(lambda: Connection(arrivals), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    answer_commands({"port": lambda: {"port": port}, **arrivals.commands()})
    await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve())
