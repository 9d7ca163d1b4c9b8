"""The one guarded HTTP engine: every HTTP request of a process goes out here, many at once, on one loop."""

from __future__ import annotations

import asyncio
import io
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar
from typing import Any, ParamSpec, TypeVar
from weakref import WeakValueDictionary

import aiohttp
from aiohttp.abc import AbstractResolver
from multidict import CIMultiDict
from yarl import URL

from postrider.domain.outcome import EXCERPT_BYTES

from .guard import AddressRefused, Guard
from .host_room import HostRoom
from .http_failure import failure_of, refused
from .http_message import Answer, Request, check_headers
from .resolver import LookUp, Resolver, system_addresses

PER_HOST = 256
KEEP_ALIVE_SECONDS = 4.0
START_SECONDS = 10.0
STOP_SECONDS = 5.0
HEADER_BYTES = 8190
HEADERS = 100
# aiohttp warns of larger bodies given as bytes: it would copy them in one go.
WHOLE_BODY_BYTES = 1 << 20


P = ParamSpec("P")
T = TypeVar("T")


class _Trail:
    """What happened to one try of a request below aiohttp."""

    __slots__ = ("opened", "refused")

    def __init__(self) -> None:
        self.opened = False
        self.refused: str | None = None


_TRAIL: ContextVar[_Trail] = ContextVar("trail")


class HttpEngine:
    """One aiohttp session behind the guard, on a loop in a thread of its own.

    Starts by itself with the first use, so that a process may fork before it; `stop` ends it for good.
    """

    def __init__(
        self,
        guard: Guard,
        *,
        tls: ssl.SSLContext | None = None,
        per_host: int = PER_HOST,
        look_up: LookUp = system_addresses,
    ) -> None:
        """Take the guard, whom to trust in TLS (the system's authorities when None), how many requests may be on
        their way to one host at once, and what finds a name's addresses (it may block).
        """
        self._guard = guard
        self._tls = tls
        self._per_host = per_host
        self._look_up = look_up
        self._rooms: WeakValueDictionary[tuple[str | None, int | None], HostRoom] = WeakValueDictionary()
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._stopped = False
        self._session: aiohttp.ClientSession
        self._tasks: set[asyncio.Task[None]] = set()
        # A second one would take the loop's turns from it, and do no more: only one thread runs Python at a time.
        self._aside = ThreadPoolExecutor(1, thread_name_prefix="postrider-aside")

    def room_of(self, url: URL) -> HostRoom:
        """Give the room that all flights to this URL's host and port share."""
        with self._lock:
            key = (url.raw_host, url.port)
            room = self._rooms.get(key)
            if room is None:
                room = self._rooms[key] = HostRoom(self._per_host)
            return room

    def start(self) -> None:
        """Start the loop; harmless when it runs."""
        with self._lock:
            if self._stopped:
                raise RuntimeError("this engine was stopped")
            if self._loop is not None:
                return
            loop, ready = _new_loop(), threading.Event()
            thread = threading.Thread(target=self._run, args=(loop, ready), name="postrider-http", daemon=True)
            thread.start()
            if not ready.wait(START_SECONDS):
                raise RuntimeError("the HTTP engine did not start")
            self._loop, self._thread = loop, thread

    def stop(self) -> None:
        """End what is under way as unknown, close all connections and the loop; harmless when it was never started."""
        with self._lock:
            loop, thread, self._stopped = self._loop, self._thread, True
            self._loop = self._thread = None
        if loop is not None and thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(STOP_SECONDS)
        self._aside.shutdown(wait=False, cancel_futures=True)

    def call(self, function: Callable[..., None], *args: Any) -> None:
        """Run a function on the loop, soon; from any thread."""
        loop = self._loop
        if loop is None:
            self.start()
            loop = self._loop
        if loop is None:
            raise RuntimeError("this engine was stopped")
        loop.call_soon_threadsafe(function, *args)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Begin work on the loop; only from the loop."""
        task = asyncio.get_running_loop().create_task(work)
        # The loop itself holds tasks weakly.
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def aside(self, work: Callable[P, T], *args: P.args, **_: P.kwargs) -> T:
        """Do what takes long outside the loop, one thing after the other; only from the loop."""
        return await asyncio.get_running_loop().run_in_executor(self._aside, work, *args)

    async def exchange(self, request: Request, *, seconds: float) -> Answer:
        """Send a request and read its answer, all within `seconds`; only from the loop.

        Raises HttpFailure when no answer came whole; an answer of any status is none. Follows no redirect. Sends a
        second time when a connection that had been kept died under the request before any byte of an answer: the
        far side had closed it as idle.
        """
        check_headers(request.headers)
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        try:
            try:
                return await self._try(request, seconds)
            except _Stale:
                return await self._try(request, max(until - loop.time(), 0.001), again=True)
        except Exception as error:
            # Broad: whatever aiohttp raises for what the far side did is an outcome, and the table knows its name.
            raise failure_of(error, seconds=seconds) from error

    async def _try(self, request: Request, seconds: float, *, again: bool = False) -> Answer:
        trail = _Trail()
        _TRAIL.set(trail)
        try:
            response = await self._begin(request, seconds)
        except aiohttp.ClientConnectorError as error:
            if trail.refused is not None and not trail.opened:
                raise refused(trail.refused) from error
            raise
        except _DIED as error:
            if not again and not trail.opened and not _had_begun_to_answer(error):
                raise _Stale from error
            raise
        try:
            return await _read(response)
        finally:
            response.close()

    async def _begin(self, request: Request, seconds: float) -> aiohttp.ClientResponse:
        body = request.body
        return await self._session.request(
            request.method,
            request.url,
            data=body if len(body) <= WHOLE_BODY_BYTES else io.BytesIO(body),
            headers=CIMultiDict(request.headers),
            allow_redirects=False,
            # Without a ceiling threshold aiohttp rounds deadlines up to whole seconds.
            timeout=aiohttp.ClientTimeout(total=seconds, ceil_threshold=sys.maxsize),
        )

    def _socket(self, address_info: aiohttp.AddrInfoType) -> socket.socket:
        """Ask the guard about the address that is about to be connected to."""
        family, kind, protocol, _, address = address_info
        trail = _TRAIL.get()
        reason = self._guard.refusal(str(address[0]))
        if reason is not None:
            trail.refused = reason
            raise AddressRefused(reason)
        trail.opened = True
        return socket.socket(family, kind, protocol)

    def _run(self, loop: asyncio.AbstractEventLoop, ready: threading.Event) -> None:
        resolver = loop.run_until_complete(self._open())
        loop.call_soon(ready.set)
        loop.run_forever()
        loop.run_until_complete(self._close(resolver))
        loop.close()

    async def _open(self) -> AbstractResolver:
        resolver = Resolver(self._look_up)
        connector = aiohttp.TCPConnector(
            limit=0,
            resolver=resolver,
            socket_factory=self._socket,
            keepalive_timeout=KEEP_ALIVE_SECONDS,
            ssl=self._tls or True,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            headers={"Accept-Encoding": "identity"},
            skip_auto_headers=("Accept", "User-Agent"),
            trust_env=False,
            auto_decompress=False,
            read_bufsize=EXCERPT_BYTES,
            max_line_size=HEADER_BYTES,
            max_field_size=HEADER_BYTES,
            max_headers=HEADERS,
        )
        return resolver

    async def _close(self, resolver: AbstractResolver) -> None:
        # One turn first: what was handed over last begins, so that it is told its end.
        await asyncio.sleep(0)
        while self._tasks:
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._session.close()
        await resolver.close()
        # Connections that are closed leave the loop on its next turns.
        await asyncio.sleep(0)


_DIED = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, aiohttp.ClientConnectionResetError)


class _Stale(Exception):  # noqa: N818 - internal
    """A kept connection had died before it was used again."""


async def _read(response: aiohttp.ClientResponse) -> Answer:
    content, parts, size = response.content, [], 0
    while size < EXCERPT_BYTES:
        part = await content.readany()
        if not part:
            break
        parts.append(part)
        size += len(part)
    body = b"".join(parts)
    return Answer(response.status, response.headers, body[:EXCERPT_BYTES], not content.at_eof() or size > EXCERPT_BYTES)


def _had_begun_to_answer(error: aiohttp.ClientConnectionError) -> bool:
    # aiohttp gives the part of an answer that had come in the place of its text.
    return isinstance(error, aiohttp.ServerDisconnectedError) and not isinstance(error.message, str)


def _new_loop() -> asyncio.AbstractEventLoop:
    if sys.platform == "win32":
        return asyncio.new_event_loop()
    import uvloop  # noqa: PLC0415 - it does not exist for Windows

    return uvloop.new_event_loop()
