"""How names are looked up when name servers are dead or slow."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections import Counter

import pytest

from postrider.transports.resolver import LOOKUPS_AT_ONCE, Found, LookupTimeout, Resolver, system_addresses

ADDRESS: Found = [(socket.AF_INET, "192.0.2.7")]


class NameServers:
    """Answers at once, but for names that begin with `dead`, which hang until `release`."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()
        self.most_at_once = 0
        self._hanging = 0
        self._released = threading.Event()
        self._lock = threading.Lock()

    def look_up(self, host: str) -> Found | OSError:
        with self._lock:
            self.asked[host] += 1
        if host == "unknown":
            return socket.gaierror(socket.EAI_NONAME, "no such name")
        if host.startswith("dead"):
            self._hang()
        return ADDRESS

    def _hang(self) -> None:
        with self._lock:
            self._hanging += 1
            self.most_at_once = max(self.most_at_once, self._hanging)
        self._released.wait(30)

    def release(self) -> None:
        self._released.set()


def test_name_is_looked_up_once_for_all_who_ask() -> None:
    """Many requests to one host at the same time make one lookup."""
    servers = NameServers()

    async def ask() -> list[str]:
        resolver = Resolver(servers.look_up)
        found = await asyncio.gather(*(resolver.resolve("h.test", port) for port in range(80, 130)))
        await resolver.close()
        return [one["host"] for answers in found for one in answers]

    assert asyncio.run(ask()) == ["192.0.2.7"] * 50
    assert servers.asked == {"h.test": 1}


def test_unknown_name_is_an_error_for_all_who_ask() -> None:
    """A name that does not exist is told to everybody, and asked for again by the next."""
    servers = NameServers()

    async def ask() -> list[object]:
        resolver = Resolver(servers.look_up)
        found = await asyncio.gather(*(resolver.resolve("unknown") for _ in range(3)), return_exceptions=True)
        with pytest.raises(socket.gaierror):
            await resolver.resolve("unknown")
        return list(found)

    assert [type(error) for error in asyncio.run(ask())] == [socket.gaierror] * 3
    assert servers.asked == {"unknown": 2}


def test_dead_name_server_costs_the_lookups_time_and_no_more() -> None:
    """All who wait for one lookup give up when its time is over, and who comes later does so at once."""
    servers = NameServers()

    async def ask() -> tuple[float, float]:
        resolver = Resolver(servers.look_up, seconds=0.3)
        first = await timed(resolver, "dead.test")
        second = await timed(resolver, "dead.test")
        await resolver.close()
        return first, second

    first, second = asyncio.run(ask())
    servers.release()

    assert 0.28 < first < 0.8
    assert second < 0.1
    assert servers.asked == {"dead.test": 1}


@pytest.mark.alone
def test_dead_names_do_not_stand_before_living_ones() -> None:
    """With every thread stuck at a dead name server, a name that has answered before is found at once."""
    servers = NameServers()

    async def ask() -> float:
        resolver = Resolver(servers.look_up, seconds=0.5)
        await resolver.resolve("living.test")
        stuck = [asyncio.create_task(timed(resolver, f"dead-{n}.test")) for n in range(LOOKUPS_AT_ONCE + 20)]
        await asyncio.sleep(0)
        started = time.monotonic()
        await resolver.resolve("living.test")
        took = time.monotonic() - started
        await asyncio.gather(*stuck)
        await resolver.close()
        return took

    took = asyncio.run(ask())
    servers.release()

    assert took < 0.3
    assert servers.most_at_once <= LOOKUPS_AT_ONCE


def test_name_comes_back_with_its_server() -> None:
    """Once the name server answers again, so does the resolver."""
    servers = NameServers()

    async def ask() -> str:
        resolver = Resolver(servers.look_up, seconds=0.2)
        await timed(resolver, "dead.test")
        servers.release()
        until = time.monotonic() + 5
        while time.monotonic() < until:
            try:
                return (await resolver.resolve("dead.test"))[0]["host"]
            except LookupTimeout:
                # The stuck lookup is not back yet.
                await asyncio.sleep(0.01)
        return ""

    assert asyncio.run(ask()) == "192.0.2.7"


def test_system_knows_localhost() -> None:
    """The system's own resolver is the one that is asked."""

    async def ask() -> set[str]:
        return {one["host"] for one in await Resolver(system_addresses).resolve("localhost")}

    assert asyncio.run(ask()) & {"127.0.0.1", "::1"}


@pytest.mark.parametrize("name", ["a" * 64 + ".test", "a..test"])
def test_name_that_cannot_be_is_not_found(name: str) -> None:
    """A name that cannot be written in DNS is an error like any unknown one."""

    async def ask() -> None:
        await Resolver(system_addresses).resolve(name)

    with pytest.raises(socket.gaierror):
        asyncio.run(ask())


async def timed(resolver: Resolver, host: str) -> float:
    """Measure how long a lookup takes to be given up."""
    started = time.monotonic()
    with pytest.raises(LookupTimeout):
        await resolver.resolve(host)
    return time.monotonic() - started
