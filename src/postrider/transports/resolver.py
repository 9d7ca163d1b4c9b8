"""Finds the addresses of a name: each name once at a time, in bounded time, no dead name server in another's way."""

from __future__ import annotations

import asyncio
import queue
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import ip_address

from aiohttp.abc import AbstractResolver, ResolveResult

LOOKUP_SECONDS = 2.0
LOOKUPS_AT_ONCE = 64
PROVEN_LOOKUPS_AT_ONCE = 16
PROVEN_NAMES = 10_000

Found = list[tuple[socket.AddressFamily, str]]
LookUp = Callable[[str], Found | OSError]


class LookupTimeout(OSError):  # noqa: N818 - it reads as what happened
    """No name server answered in time."""


@dataclass(frozen=True, slots=True)
class _Lookup:
    task: asyncio.Task[Found]
    until: float
    """In the loop's time. All who wait for this lookup give up together, however late they came."""


class Resolver(AbstractResolver):
    """The system's resolver, in threads of its own.

    `getaddrinfo` cannot be interrupted: with dead name servers it holds its thread for many seconds after all who
    asked have given up. So a name that has answered before is looked up beside those that never did, not behind them.
    """

    def __init__(self, look_up: LookUp, *, seconds: float = LOOKUP_SECONDS) -> None:
        """Take what looks a name up, blocking, and how long to wait for it."""
        self._look_up_name = look_up
        self._seconds = seconds
        self._running: dict[str, _Lookup] = {}
        self._proven: dict[str, None] = {}
        self._unproven_turn = asyncio.Semaphore(LOOKUPS_AT_ONCE)
        self._proven_turn = asyncio.Semaphore(PROVEN_LOOKUPS_AT_ONCE)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Look a name up; OSError when it is not found, LookupTimeout when nobody answers."""
        del family  # both are wanted: the connector picks
        lookup = self._running.get(host) or self._begin(host)
        try:
            async with asyncio.timeout_at(lookup.until):
                found = await asyncio.shield(lookup.task)
        except TimeoutError as error:
            raise LookupTimeout(f"no answer within {self._seconds:g} s") from error
        return [
            ResolveResult(hostname=host, host=address, port=port, family=kind, proto=0, flags=socket.AI_NUMERICHOST)
            for kind, address in found
        ]

    async def close(self) -> None:
        """Stop waiting; threads that are still looking end by themselves."""
        for lookup in list(self._running.values()):
            lookup.task.cancel()
        await asyncio.gather(*(lookup.task for lookup in self._running.values()), return_exceptions=True)

    def _begin(self, host: str) -> _Lookup:
        loop = asyncio.get_running_loop()
        lookup = _Lookup(loop.create_task(self._look_up(host)), loop.time() + self._seconds)
        self._running[host] = lookup
        lookup.task.add_done_callback(lambda task: self._ended(host, task))
        return lookup

    def _ended(self, host: str, task: asyncio.Task[Found]) -> None:
        self._running.pop(host, None)
        # Asking for the exception marks it as seen: those who waited may all have gone.
        if not task.cancelled() and task.exception() is None:
            self._prove(host)

    def _prove(self, host: str) -> None:
        if len(self._proven) >= PROVEN_NAMES:
            del self._proven[next(iter(self._proven))]
        self._proven[host] = None

    async def _look_up(self, host: str) -> Found:
        async with self._proven_turn if host in self._proven else self._unproven_turn:
            return await _in_a_thread(self._look_up_name, host)


async def _in_a_thread(look_up_name: LookUp, host: str) -> Found:
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Found] = loop.create_future()

    def look_up() -> None:
        found = look_up_name(host)
        # The loop may have gone in the meantime, and nobody waits any more.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(_hand_over, answer, found)

    # A daemon, unlike an executor's thread: a dead name server must not hold up the end of the process.
    threading.Thread(target=look_up, name="postrider-lookup", daemon=True).start()
    return await answer


def system_addresses(host: str) -> Found | OSError:
    """Ask the system's resolver, however long that takes."""
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    except OSError as error:
        return error
    except UnicodeError:
        return socket.gaierror(socket.EAI_NONAME, "not a name that can be looked up")
    return [(family, str(address[0])) for family, _, _, _, address in found]


def socket_addresses(host: str, port: int, *, seconds: float) -> list[tuple[socket.AddressFamily, tuple[str, int]]]:
    """Give the socket addresses of a host, in the order in which to try them, for those who may block.

    OSError when there is none, LookupTimeout when nobody answers.
    """
    with suppress(ValueError):
        family = socket.AF_INET6 if ip_address(host).version == 6 else socket.AF_INET  # noqa: PLR2004 - IP's version
        return [(family, (host, port))]
    answer: queue.SimpleQueue[Found | OSError] = queue.SimpleQueue()
    # getaddrinfo knows no deadline: a thread that it holds is left behind, and ends when it does.
    threading.Thread(target=lambda: answer.put(system_addresses(host)), name="postrider-lookup", daemon=True).start()
    try:
        found = answer.get(timeout=min(seconds, LOOKUP_SECONDS))
    except queue.Empty:
        raise LookupTimeout from None
    if isinstance(found, OSError):
        raise found
    return [(family, (target, port)) for family, target in found]


def _hand_over(answer: asyncio.Future[Found], found: Found | OSError) -> None:
    if answer.done():
        return
    if isinstance(found, OSError):
        answer.set_exception(found)
    elif not found:
        answer.set_exception(socket.gaierror(socket.EAI_NONAME, "no addresses"))
    else:
        answer.set_result(found)
