"""The broker is broken: publishing goes on at its usual speed, and what was rung in vain is found."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median

import redis
from faults.audit import audit
from faults.grounds import Grounds
from faults.load import p99
from faults.matrix import Figures, row
from faults.world import World, a_world

EVENTS = 5_000
ROUNDS = 4
RING_AGAIN_SECONDS = 20.0
RUNG_SECONDS = 0.3
"""An event that no ring told of is found by the sweep, each second: after half a second at the median."""


@row("broker-flushed", "Redis flushed, 10 times under load", long=True)
def redis_is_flushed(grounds: Grounds) -> Figures:
    """Rings that waited are wiped out."""

    def break_it() -> None:
        for _ in range(10):
            grounds.redis.flush()
            time.sleep(0.3)

    return _while_publishing(grounds, break_it)


@row("broker-restarted", "Redis killed and started again", long=True)
def redis_is_restarted(grounds: Grounds) -> Figures:
    """Redis is away for a while, and comes back without its memory."""

    def break_it() -> None:
        grounds.redis.stop()
        time.sleep(2)
        grounds.redis.start()

    return _while_publishing(grounds, break_it)


@row("broker-hung", "Redis hung (SIGSTOP), publish beside a healthy one", long=True)
def redis_hangs(grounds: Grounds) -> Figures:
    """Publishing one by one, in turns with a healthy broker and a hung one, costs the same."""
    with a_world(grounds) as world:
        world.workers(1)
        world.integrate()
        world.load.publish(300, at_once=1, threads=2)
        healthy, hung = [], []
        for _ in range(ROUNDS):
            healthy += _timed(world, EVENTS // (2 * ROUNDS))
            with _frozen(grounds):
                hung += _timed(world, EVENTS // (2 * ROUNDS))
        recovery = world.settle()
        times = p99(hung) / p99(healthy)
        return audit(world).figures(
            recovery=recovery,
            publish_p99=p99(hung),
            broken=[
                *([f"p99 is {times:.1f} times the healthy one"] if times > 2 else []),
                *_only_202(world),
            ],
            note=f"p99 with a healthy broker {p99(healthy):.1f} ms",
        )


@row("broker-full", "Redis out of memory (noeviction)", long=True)
def redis_is_full(grounds: Grounds) -> Figures:
    """Redis takes no more rings until it has memory again."""

    def break_it() -> None:
        with _full(grounds):
            time.sleep(3)

    return _while_publishing(grounds, break_it)


@row("rabbitmq-restarted", "RabbitMQ stopped and started again", long=True, needs="rabbitmq")
def rabbitmq_is_restarted(grounds: Grounds) -> Figures:
    """RabbitMQ is away for as long as it takes to start."""

    def break_it() -> None:
        grounds.rabbitmq.stop()
        grounds.rabbitmq.start()

    return _while_publishing(grounds, break_it, broker_url=grounds.rabbitmq.url)


@row("rabbitmq-killed", "RabbitMQ SIGKILL, and started again", long=True, needs="rabbitmq")
def rabbitmq_is_killed(grounds: Grounds) -> Figures:
    """RabbitMQ dies without a word to anybody."""

    def break_it() -> None:
        grounds.rabbitmq.kill()
        grounds.rabbitmq.start()

    return _while_publishing(grounds, break_it, broker_url=grounds.rabbitmq.url)


def _while_publishing(grounds: Grounds, break_it: Callable[[], None], *, broker_url: str | None = None) -> Figures:
    """Publish one by one beside the fault: no publish is refused, the backlog drains, and rings ring again."""
    with a_world(grounds, broker_url=broker_url) as world:
        workers = world.workers(2)
        world.integrate()
        world.load.publish(EVENTS)
        with world.load.going_on(at_once=1, threads=2, pause=0.001):
            break_it()
        during = world.load.p99()
        recovery = world.settle()
        ring = _ring_seconds(world)
        account = audit(world)
        ended = sum(worker.process.poll() is not None for worker in workers)
    return account.figures(
        recovery=recovery,
        publish_p99=during,
        broken=[
            *([f"{ended} workers ended"] if ended else []),
            *([f"{account.duplicates} came twice"] if account.duplicates else []),
            *([f"an event arrives only after {ring:.2f} s: nothing rings any more"] if ring > RUNG_SECONDS else []),
            *_only_202(world),
        ],
        note=f"afterwards an event arrives in {ring * 1000:.0f} ms",
    )


def _ring_seconds(world: World) -> float:
    """Tell how long the way of one event takes at rest, once rings ring again; the median of a few."""
    until = time.monotonic() + RING_AGAIN_SECONDS
    while True:
        way = median(_way(world) for _ in range(5))
        if way <= RUNG_SECONDS or time.monotonic() > until:
            return way


def _way(world: World) -> float:
    came, started = world.landing.count(), time.monotonic()
    world.load.publish(1)
    world.landing.wait_for(came + 1)
    return time.monotonic() - started


def _only_202(world: World) -> list[str]:
    others = {status: number for status, number in world.load.answers.items() if status != "202"}
    return [f"publish answered {others}"] if others else []


def _timed(world: World, events: int) -> list[float]:
    before = len(world.load.seconds)
    world.load.publish(events, at_once=1, threads=2)
    return world.load.seconds[before:]


@contextmanager
def _frozen(grounds: Grounds) -> Iterator[None]:
    grounds.redis.pause()
    try:
        yield
    finally:
        grounds.redis.resume()


@contextmanager
def _full(grounds: Grounds) -> Iterator[None]:
    with redis.Redis(host=grounds.redis.host, port=grounds.redis.port) as client:
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", "1mb")
        yield
        client.config_set("maxmemory", "0")
