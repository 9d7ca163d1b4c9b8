"""Endpoints that accept and never answer, each a host of its own: a process that keeps every connection open."""

from __future__ import annotations

import asyncio
import resource
import sys

import uvloop

from .measured import answer_commands


class Kept:
    """The connections that are open."""

    def __init__(self) -> None:
        self.connections: set[asyncio.BaseTransport] = set()


class Connection(asyncio.Protocol):
    """Reads all and says nothing."""

    def __init__(self, kept: Kept) -> None:
        self._kept = kept
        self._transport: asyncio.BaseTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._kept.connections.add(transport)

    def connection_lost(self, _: Exception | None) -> None:
        self._kept.connections.discard(self._transport)


async def _serve(count: int) -> None:
    kept, loop = Kept(), asyncio.get_running_loop()
    hosts = [f"127.1.0.{number}" for number in range(1, count + 1)]
    server = await loop.create_server(lambda: Connection(kept), hosts, 0, backlog=1024)
    urls = ["http://{}:{}/hook".format(*listening.getsockname()) for listening in server.sockets]
    answer_commands({"urls": lambda: {"urls": urls}, "kept": lambda: {"kept": len(kept.connections)}})
    await server.serve_forever()


def _allow_many_sockets() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


if __name__ == "__main__":
    _allow_many_sockets()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(int(sys.argv[1])))
