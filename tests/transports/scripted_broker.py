"""A STOMP broker that answers as it was told: for what real brokers cannot be made to do, such as saying nothing."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Self

from servers.loop import LoopThread, end_listening, reset
from servers.process import free_port

_LIMIT = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Came:
    """One frame as it came over the wire; header values are not unescaped."""

    command: str
    headers: Mapping[str, str]
    body: bytes
    connection: int  # counts from 1: the same number, the same connection


@dataclass(frozen=True, slots=True)
class Say:
    """What to write back, and whether to close after it."""

    data: bytes = b""
    close: bool = False


Answers = Callable[[Came], Say]


def connected(_: Came) -> Say:
    return Say(b"CONNECTED\nversion:1.2\nheart-beat:0,0\n\n\0\n")


def receipt(frame: Came) -> Say:
    return Say(f"RECEIPT\nreceipt-id:{frame.headers['receipt']}\n\n\0\n".encode())


def nothing(_: Came) -> Say:
    return Say()


def hang_up(_: Came) -> Say:
    return Say(close=True)


def error(message: str, body: str = "", *, of: Came | None = None, close: bool = True) -> Say:
    """Make an ERROR frame; `of` is the frame whose receipt it names."""
    named = f"receipt-id:{of.headers['receipt']}\n" if of else ""
    text = body.encode()
    head = f"ERROR\nmessage:{message}\n{named}content-type:text/plain\ncontent-length:{len(text)}\n\n"
    return Say(head.encode() + text + b"\0\n", close)


class ScriptedBroker:
    """Confirms every message until told otherwise; the methods that tell it may be called from any thread."""

    host = "127.0.0.1"

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.port = free_port()
        self.on_connect: Answers = connected
        self.on_send: Answers = receipt
        self._tls = tls
        self._changed = threading.Condition()
        self._frames: list[Came] = []
        self._writers: set[asyncio.StreamWriter] = set()
        self._connections = 0
        self._bytes = 0

    def __enter__(self) -> Self:
        self._thread = LoopThread("broker")
        self._listener = self._thread.run(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        self.vanish()
        self._thread.close()

    @property
    def address(self) -> str:
        return f"stomp{'+ssl' if self._tls else ''}://{self.host}:{self.port}"

    @property
    def sent(self) -> list[Came]:
        """List the SEND frames so far."""
        return self.frames("SEND")

    @property
    def connections(self) -> int:
        """How many connections were ever opened."""
        with self._changed:
            return self._connections

    @property
    def open_connections(self) -> int:
        with self._changed:
            return len(self._writers)

    @property
    def bytes_received(self) -> int:
        with self._changed:
            return self._bytes

    def frames(self, command: str) -> list[Came]:
        with self._changed:
            return [frame for frame in self._frames if frame.command == command]

    def wait_for(self, condition: Callable[[], bool], seconds: float = 10.0) -> None:
        """Return as soon as the condition holds; raise AssertionError when it does not in time."""
        with self._changed:
            assert self._changed.wait_for(condition, seconds), f"in vain; what came: {self._frames[-20:]}"

    def cut(self, *, orderly: bool = True) -> None:
        """End every open connection, with an end of file or a reset; new ones are welcome."""
        self._thread.run(self._cut(orderly=orderly))

    def vanish(self) -> None:
        """Stop listening and drop all connections."""
        self._thread.run(self._vanish())

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(self._serve, self.host, self.port, ssl=self._tls, limit=_LIMIT)

    async def _vanish(self) -> None:
        await end_listening(self._listener)
        await self._cut(orderly=False)

    async def _cut(self, *, orderly: bool) -> None:
        for writer in list(self._writers):
            if orderly:
                writer.close()
            else:
                reset(writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with self._changed:
            self._connections += 1
            self._writers.add(writer)
            number = self._connections
        try:
            while await self._answer(await self._read(reader, number), writer):
                pass
        except (OSError, asyncio.IncompleteReadError):
            # The client left, between two frames or in the middle of one.
            return
        finally:
            writer.close()
            with self._changed:
                self._writers.discard(writer)
                self._changed.notify_all()

    async def _answer(self, frame: Came, writer: asyncio.StreamWriter) -> bool:
        with self._changed:
            self._frames.append(frame)
            self._changed.notify_all()
        answers = {"CONNECT": self.on_connect, "SEND": self.on_send, "DISCONNECT": hang_up}
        say = answers[frame.command](frame)
        writer.write(say.data)
        await writer.drain()
        return not say.close

    async def _read(self, reader: asyncio.StreamReader, connection: int) -> Came:
        head = (await reader.readuntil(b"\n\n")).lstrip(b"\n")
        command, *lines = head[:-2].decode().split("\n")
        headers = dict(line.split(":", 1) for line in lines)
        length = headers.get("content-length")
        body = await reader.readexactly(int(length)) if length else b""
        end = await reader.readuntil(b"\0")
        assert not length or end == b"\0", "the content-length is not that of the body"
        with self._changed:
            self._bytes += len(head) + len(body) + len(end)
        return Came(command, headers, body or end[:-1], connection)
