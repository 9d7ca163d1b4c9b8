"""A real HTTP receiver for webhooks: it remembers what arrived and answers as it was told."""

import asyncio
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Self

from servers import answers
from servers.answers import Answer, reply
from servers.loop import LoopThread, end_listening
from servers.process import free_port

_LONGEST_HEAD = 1_048_576


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came over the wire."""

    method: str
    path: str  # with its query, not decoded
    header_pairs: tuple[tuple[str, str], ...]  # in the order and spelling in which they were sent
    headers: Mapping[str, str]  # names in lower case; of a repeated header the last
    body: bytes
    arrived_at: float  # time.monotonic() when the last byte was there
    connection: int  # counts from 1: the same number, the same connection


class Receiver:
    """Answers 200 until told otherwise; the methods that tell it may be called from any thread at any time.

    A scripted answer is used once, before the standing one. An answer given for a path stands before the one
    for all paths.
    """

    host = "127.0.0.1"

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.port = free_port()
        self._tls = tls
        self._changed = threading.Condition()
        self._requests: list[Request] = []
        self._script: deque[Answer] = deque()
        self._standing: dict[str | None, Answer] = {None: reply()}
        self._chooser: Callable[[Request], Answer | None] = lambda _: None
        self._connections = 0
        self._open_connections = 0
        self._busy = 0
        self._busiest = 0

    def __enter__(self) -> Self:
        self._thread = LoopThread("receiver")
        self._listener = self._thread.run(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.run(end_listening(self._listener))
        self._thread.close()

    # What arrived

    @property
    def url(self) -> str:
        return self.url_of("/")

    def url_of(self, path: str) -> str:
        return f"{'https' if self._tls else 'http'}://{self.host}:{self.port}{path}"

    @property
    def requests(self) -> list[Request]:
        """All requests so far, in the order in which they were complete."""
        with self._changed:
            return list(self._requests)

    @property
    def connections(self) -> int:
        """How many connections were ever opened."""
        with self._changed:
            return self._connections

    @property
    def open_connections(self) -> int:
        with self._changed:
            return self._open_connections

    @property
    def busiest(self) -> int:
        """The most requests that were ever waiting for their answers at the same time."""
        with self._changed:
            return self._busiest

    def wait_for(self, count: int, timeout: float = 10.0) -> list[Request]:
        """Return all requests as soon as there are `count`; raise AssertionError that tells what came."""
        with self._changed:
            if self._changed.wait_for(lambda: len(self._requests) >= count, timeout):
                return list(self._requests)
            came = "\n".join(f"  {each.method} {each.path} {each.body[:80]!r}" for each in self._requests[-20:])
            number = len(self._requests)
        raise AssertionError(f"expected {count} requests within {timeout:g} s, {number} came:\n{came}")

    def forget(self) -> None:
        """Forget the requests that came; answers stay as they are."""
        with self._changed:
            self._requests.clear()
            self._busiest = self._busy

    # What to answer from now on

    def answer(
        self,
        status: int = 200,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        *,
        path: str | None = None,
    ) -> None:
        self.use(reply(status, body, headers), path=path)

    def answer_after(self, seconds: float, *, path: str | None = None) -> None:
        self.use(reply(after=seconds), path=path)

    def hang(self, *, path: str | None = None) -> None:
        self.use(answers.hang(), path=path)

    def reset_connection(self, *, path: str | None = None) -> None:
        self.use(answers.reset_connection(), path=path)

    def drip_headers(self, every: float = 0.1, *, path: str | None = None) -> None:
        self.use(answers.drip_headers(every), path=path)

    def drip_body(self, every: float = 0.1, *, path: str | None = None) -> None:
        self.use(answers.drip_body(every), path=path)

    def endless_body(self, status: int = 200, *, path: str | None = None) -> None:
        self.use(answers.endless_body(status), path=path)

    def use(self, answer: Answer, *, path: str | None = None) -> None:
        """Let this be the standing answer, for one path (with its query) or for all that have none."""
        with self._changed:
            self._standing[path] = answer

    def script(self, *sequence: Answer) -> None:
        """Give these answers to the next requests, one each."""
        with self._changed:
            self._script.extend(sequence)

    def choose(self, chooser: Callable[[Request], Answer | None]) -> None:
        """Let a function pick each request's answer; where it returns None, the other rules hold."""
        with self._changed:
            self._chooser = chooser

    # The server

    async def _listen(self) -> asyncio.Server:
        return await asyncio.start_server(
            self._serve, self.host, self.port, ssl=self._tls, limit=_LONGEST_HEAD, backlog=1024
        )

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with self._changed:
            self._connections += 1
            self._open_connections += 1
            number = self._connections
        try:
            while await self._exchange(number, reader, writer):
                pass
            writer.close()
            await writer.wait_closed()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            # The client left, between two requests or in the middle of one; or the test is over.
            return
        finally:
            writer.transport.abort()
            with self._changed:
                self._open_connections -= 1

    async def _exchange(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Take one request and answer it; tell whether another may follow on this connection."""
        request = await _read(reader, number)
        answer = self._record(request)
        try:
            return await answer(reader, writer) and request.headers.get("connection", "").lower() != "close"
        finally:
            with self._changed:
                self._busy -= 1

    def _record(self, request: Request) -> Answer:
        with self._changed:
            self._requests.append(request)
            self._busy += 1
            self._busiest = max(self._busiest, self._busy)
            self._changed.notify_all()
            return self._pick(request)

    def _pick(self, request: Request) -> Answer:
        if chosen := self._chooser(request):
            return chosen
        if self._script:
            return self._script.popleft()
        return self._standing.get(request.path) or self._standing[None]


async def _read(reader: asyncio.StreamReader, connection: int) -> Request:
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head[:-4].decode("latin-1").split("\r\n")
    method, path, _ = first.split(" ")
    pairs = tuple((name, value.strip()) for name, _, value in (line.partition(":") for line in lines))
    headers = {name.lower(): value for name, value in pairs}
    body = await _read_body(reader, headers)
    return Request(method, path, pairs, MappingProxyType(headers), body, time.monotonic(), connection)


async def _read_body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() != "chunked":
        return await reader.readexactly(int(headers.get("content-length", "0")))
    body = b""
    while size := int((await reader.readuntil(b"\r\n")).partition(b";")[0], 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readuntil(b"\r\n")
    return body
