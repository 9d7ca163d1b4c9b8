"""The auditor's receiver: a process of its own that notes every request and shares no code with what sends them.

Run as `python -m faults.receiver`; it takes commands on standard input, one JSON line each.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import msgspec
import uvloop

from postrider.bench.measured import Command, answer_commands


class Body(msgspec.Struct):
    """What the audit needs of a delivered body; the payload stays the bytes that came."""

    id: str
    payload: msgspec.Raw


class Log:
    """What came, and what it is answered with."""

    def __init__(self) -> None:
        self.status, self.delay = 200, 0.0
        self._lines: list[str] = []

    def add(self, webhook_id: str, body: bytes) -> int:
        """Note a request at the moment of its last byte; gives the status that it is to be answered with."""
        try:
            told = msgspec.json.decode(body, type=Body)
            seen, digest = told.id, hashlib.sha256(told.payload).hexdigest()
        except msgspec.DecodeError:
            seen, digest = "-", "-"
        message_id = webhook_id if webhook_id == seen else f"{webhook_id}!={seen}"
        self._lines.append(f"{message_id} {digest} {self.status} {time.time():.6f}")
        return self.status

    def behave(self, *, status: int, delay: float) -> Mapping[str, Any]:
        """Answer with this status, so many seconds late, from now on."""
        self.status, self.delay = status, delay
        return {}

    def count(self) -> Mapping[str, Any]:
        return {"requests": len(self._lines)}

    def dump(self, path: str) -> Mapping[str, Any]:
        """Write all that came to a file."""
        lines = list(self._lines)
        Path(path).write_text("".join(f"{line}\n" for line in lines))
        return {"requests": len(lines)}


class Connection(asyncio.Protocol):
    """Just enough of HTTP/1.1 for requests that say their length and wait for their answers."""

    def __init__(self, log: Log, loop: asyncio.AbstractEventLoop) -> None:
        self._log, self._loop = log, loop
        self._rest = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        while (end := data.find(b"\r\n\r\n")) >= 0:
            head = data[: end + 2].decode("latin-1")
            after = end + 4 + int(_header(head, "content-length") or 0)
            if len(data) < after:
                break
            self._answer(self._log.add(_header(head, "webhook-id"), data[end + 4 : after]))
            data = data[after:]
        self._rest = data

    def _answer(self, status: int) -> None:
        answer = b"HTTP/1.1 %d Told\r\ncontent-length: 0\r\n\r\n" % status
        if self._log.delay:
            self._loop.call_later(self._log.delay, self._write, answer)
        else:
            self._write(answer)

    def _write(self, answer: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(answer)


def _header(head: str, name: str) -> str:
    for line in head.split("\r\n"):
        key, _, value = line.partition(":")
        if key.lower() == name:
            return value.strip()
    return ""


async def _serve() -> None:
    log, loop = Log(), asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(log, loop), "127.0.0.1", 0, backlog=1024)
    port = server.sockets[0].getsockname()[1]
    commands: Mapping[str, Command] = {
        "port": lambda: {"port": port},
        "behave": log.behave,
        "count": log.count,
        "dump": log.dump,
    }
    answer_commands(commands)
    await server.serve_forever()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve())
