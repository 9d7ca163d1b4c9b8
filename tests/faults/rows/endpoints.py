"""Endpoints are broken in every way that HTTP allows: an attempt ends in time, and the worker stays as it was."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import msgspec
import psutil
import trustme
from faults.audit import audit
from faults.grounds import Grounds
from faults.landing import Arrival
from faults.matrix import Figures, row
from faults.receiver import Body
from faults.world import World, a_world
from flows.installed import Running
from servers.answers import Answer, reply
from servers.proxy import Proxy
from servers.receiver import Receiver, Request

EVENTS = 40
BROKEN_SECONDS = 6.0
DEADLINE, SLACK = 2.0, 0.5
MORE_FILES, MORE_BYTES = 20, 48 * 1024 * 1024
TAKEN = frozenset({"/endless-body", "/bomb"})
"""These begin with a status of 200, and what follows of their bodies does not matter."""

_SLOWEST = """
SELECT coalesce(max(greatest(duration_ms, 1000 * extract(epoch FROM created_at - started_at)))::float8, 0)
FROM attempts
"""


@dataclass(frozen=True, slots=True)
class _Worker:
    """What a process holds."""

    files: int
    memory: int


@row("endpoints", "endpoints hang, reset, half-open, drip, bad TLS, bad HTTP, endless body, bomb", long=True)
def endpoints_are_broken(grounds: Grounds) -> Figures:
    """Nine integrations, each broken in its own way for a while; then they are mended, and all arrives."""
    settings = {"POSTRIDER_HOST_IN_FLIGHT": "2000"}
    with a_world(grounds, settings=settings) as world, _broken_endpoints() as (receivers, addresses):
        (worker,) = world.workers(1)
        world.integrate()
        world.load.publish(2_000)
        world.settle()
        before = _held_by(worker)
        ids = {address: world.integrate(address, timeout_seconds=DEADLINE) for address in addresses}
        published = set(world.load.accepted)
        world.load.publish(EVENTS)
        peak = _watch(worker)
        (slowest,) = world.sql(_SLOWEST)[0]
        for integration_id in ids.values():
            world.api.change(f"/v2/integrations/{integration_id}", _mended(world))
        recovery = world.settle()
        after = _held_by(worker)
        return audit(
            world,
            integrations=lambda event_id: 1 if event_id in published else 1 + len(ids),
            arrivals=[*world.landing.arrivals(), *_arrivals(receivers)],
        ).figures(
            recovery=recovery,
            broken=[
                *([f"an attempt took {slowest / 1000:.1f} s"] if slowest > (DEADLINE + SLACK) * 1000 else []),
                *_growth(before, peak, after),
            ],
            note=f"slowest attempt {slowest / 1000:.2f} s of {DEADLINE:g} s; {_told(before, peak, after)}",
        )


@contextmanager
def _broken_endpoints() -> Iterator[tuple[list[Receiver], list[str]]]:
    """Start what listens; gives the receivers that note requests, and the addresses to deliver to."""
    authority = trustme.CA()
    with ExitStack() as stack:
        receiver = stack.enter_context(Receiver())
        secured = stack.enter_context(Receiver(_server_side(authority)))
        proxy = stack.enter_context(Proxy(receiver.port))
        receiver.hang(path="/hang")
        receiver.reset_connection(path="/reset")
        receiver.drip_headers(path="/drip-headers")
        receiver.drip_body(path="/drip-body")
        receiver.endless_body(path="/endless-body")
        receiver.use(_nonsense(), path="/bad-http")
        receiver.use(_bomb(), path="/bomb")
        proxy.hang()
        paths = ["hang", "reset", "drip-headers", "drip-body", "endless-body", "bad-http", "bomb"]
        addresses = [*(receiver.url_of(f"/{path}") for path in paths), secured.url, proxy.through(receiver.url)]
        yield [receiver, secured], addresses


def _server_side(authority: trustme.CA) -> ssl.SSLContext:
    """Make the certificate of an authority that nobody trusts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


def _nonsense() -> Answer:
    async def send(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        writer.write(b"HELO smtp.example.com\r\n\r\n")
        await writer.drain()
        return False

    return send


def _bomb() -> Answer:
    """Answer with a little gzip that would be 64 MB."""
    return reply(200, gzip.compress(bytes(64 * 1024 * 1024), 9), {"Content-Encoding": "gzip"})


def _mended(world: World) -> dict[str, object]:
    return {"type": "integration", "configuration": {"url": world.landing.url, "secret_key": "s3cret-key"}}


def _watch(worker: Running) -> _Worker:
    """Look at the worker while the endpoints are broken; gives the most that it held."""
    peak, until = _held_by(worker), time.monotonic() + BROKEN_SECONDS
    while time.monotonic() < until:
        now = _held_by(worker)
        peak = _Worker(max(peak.files, now.files), max(peak.memory, now.memory))
        time.sleep(0.1)
    return peak


def _held_by(worker: Running) -> _Worker:
    process = psutil.Process(worker.process.pid)
    return _Worker(process.num_fds(), process.memory_info().rss)


def _growth(before: _Worker, peak: _Worker, after: _Worker) -> list[str]:
    found = []
    if after.files > before.files + MORE_FILES:
        found.append(f"{after.files - before.files} descriptors more than before")
    if peak.memory > before.memory + MORE_BYTES:
        found.append(f"{(peak.memory - before.memory) // 2**20} MB more memory")
    return found


def _told(before: _Worker, peak: _Worker, after: _Worker) -> str:
    memory = [held.memory // 2**20 for held in (before, peak, after)]
    return (
        f"descriptors {before.files} before, {after.files} after; memory {memory[0]} MB before, {memory[1]} at the most"
    )


def _arrivals(receivers: list[Receiver]) -> list[Arrival]:
    return [_arrival(request) for receiver in receivers for request in receiver.requests]


def _arrival(request: Request) -> Arrival:
    payload = msgspec.json.decode(request.body, type=Body).payload
    status = 200 if request.path in TAKEN else 599
    return Arrival(request.headers["webhook-id"], hashlib.sha256(payload).hexdigest(), status, request.arrived_at)
