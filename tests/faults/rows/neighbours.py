"""Fifty endpoints hang and twenty have dead name servers: the healthy one beside them does not notice."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

from faults.audit import audit
from faults.grounds import Grounds
from faults.load import p99
from faults.matrix import Figures, row
from faults.world import BEGUN, World, a_world
from flows.installed import COMMAND, Running
from servers.process import wait_until
from servers.receiver import Receiver

HANGING, NAMELESS = 50, 20
HANG_SECONDS = 10.0
"""The default deadline of an attempt."""
EVENTS, PAUSE = 250, 0.05
"""Published one by one, this many seconds apart."""
WINDOWS = 3
ALLOWED = 2.0
"""The healthy one's p99 may be so many times its baseline."""
_SILENT_NAME_SERVER = "127.0.0.77"
_STORED = """
SELECT d.id::text, extract(epoch FROM e.created_at)::float8
FROM deliveries d JOIN events e ON e.id = d.event_id WHERE d.integration_id = %s::uuid
"""


class _Everywhere(Receiver):
    """Listens on all of the loopback network, so that each endpoint can be a host of its own."""

    host = "0.0.0.0"


@row(
    "neighbours",
    f"{HANGING} endpoints hang and {NAMELESS} have dead name servers, beside 1 healthy",
    long=True,
)
def neighbours_are_broken(grounds: Grounds) -> Figures:
    """The healthy one's deliveries take no more than twice as long as while its neighbours are switched off."""
    with a_world(grounds) as world, _silent_name_server(), _Everywhere() as silence, _worker(world):
        silence.hang()
        healthy = world.integrate()
        broken = [
            world.integrate(url, timeout_seconds=HANG_SECONDS, retry_waits=[5] * 30)
            for url in _broken_urls(silence.port)
        ]
        _switch(world, broken, on=False)
        _seconds(world, healthy)
        before = _seconds(world, healthy)
        _switch(world, broken, on=True)
        beside = [_seconds(world, healthy) for _ in range(WINDOWS)]
        _switch(world, broken, on=False)
        wait_until(lambda: world.sending() == 0, "the hanging attempts to end", seconds=HANG_SECONDS + 10)
        # From both sides: the machine need not be as fast all the time.
        baseline = p99([*before, *_seconds(world, healthy)])
        account = audit(world, integrations=lambda _: 1 + len(broken))
        whole = p99([each for window in beside for each in window])
        return account.figures(
            held=account.statuses["pending"],
            dead=account.statuses["dead"],
            broken=[f"p99 {whole:.0f} ms beside {baseline:.0f} ms"] if whole > ALLOWED * baseline else [],
            note=f"p99 of the healthy one {baseline:.0f} ms with its neighbours off, {whole:.0f} ms with them on; "
            f"for each {EVENTS} events since then " + ", ".join(f"{p99(window):.0f} ms" for window in beside),
        )


def _switch(world: World, integration_ids: list[str], *, on: bool) -> None:
    for integration_id in integration_ids:
        world.api.change(f"/v2/integrations/{integration_id}", {"type": "integration", "enabled": on})


def _broken_urls(port: int) -> list[str]:
    hanging = [f"http://127.1.0.{number}:{port}/hook" for number in range(1, HANGING + 1)]
    return [*hanging, *(f"http://endpoint-{number}.dead.test/hook" for number in range(NAMELESS))]


def _seconds(world: World, integration_id: str) -> list[float]:
    """Publish one by one; tell how long after being stored each had arrived."""
    first = len(world.landing.arrivals())
    for _ in range(EVENTS):
        world.load.publish(1, at_once=1)
        time.sleep(PAUSE)
    world.landing.wait_for(first + EVENTS, seconds=HANG_SECONDS * 3)
    stored = dict(world.sql(_STORED, integration_id))
    return [arrival.at - stored[arrival.message_id] for arrival in world.landing.arrivals()[first:]]


@contextmanager
def _silent_name_server() -> Iterator[None]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind((_SILENT_NAME_SERVER, 53))
        yield


@contextmanager
def _worker(world: World) -> Iterator[Running]:
    """Start a worker that asks the silent name server, in a mount namespace of its own."""
    configuration = world.deployment.folder / "resolv.conf"
    configuration.write_text(f"nameserver {_SILENT_NAME_SERVER}\n")
    script = 'mount --bind "$0" /etc/resolv.conf && exec "$1" worker'
    arguments = ["--mount", "sh", "-c", script, str(configuration), COMMAND]
    with Running(
        arguments, environment=world.deployment.environment, folder=world.deployment.folder, program="unshare"
    ) as started:
        started.wait_for(BEGUN)
        yield started
