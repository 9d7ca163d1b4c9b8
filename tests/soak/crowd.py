"""A worker with a thousand requests under way, to endpoints that do not answer."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from contextlib import contextmanager

from faults.grounds import Grounds
from faults.world import World, a_world
from flows.installed import Running
from soak.memory import megabytes

from postrider.pipeline.drain import FIRST_WINDOW

ENDPOINTS = 250
EACH = FIRST_WINDOW
"""What an endpoint gets before it has answered any."""
IN_FLIGHT = ENDPOINTS * EACH
TIMEOUT_SECONDS = 60.0
_SETTINGS = {"POSTRIDER_HOST_IN_FLIGHT": str(2 * IN_FLIGHT)}
_FILES = 4 * IN_FLIGHT


@contextmanager
def a_crowd(grounds: Grounds) -> Iterator[tuple[World, Running]]:
    """Start a worker and give it back once all of its requests hang."""
    _raise_the_limit_of_files()
    with a_world(grounds, settings=_SETTINGS) as world:
        world.landing.behave(delay=TIMEOUT_SECONDS * 2)
        for _ in range(ENDPOINTS):
            world.integrate(timeout_seconds=TIMEOUT_SECONDS)
        (worker,) = world.workers(1)
        world.load.publish(EACH)
        world.landing.wait_for(IN_FLIGHT, seconds=TIMEOUT_SECONDS * 0.8)
        yield world, worker


def megabytes_in_a_crowd(grounds: Grounds) -> float:
    """Tell what a worker holds while its thousand requests hang."""
    with a_crowd(grounds) as (world, worker):
        assert world.sending() == IN_FLIGHT
        return megabytes(worker)


def _raise_the_limit_of_files() -> None:
    """Let what is started from here on have as many sockets as it takes, where the system allows it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    enough = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < enough:
        resource.setrlimit(resource.RLIMIT_NOFILE, (enough, hard))
