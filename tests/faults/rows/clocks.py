"""Wall clocks jump: nothing is tried early, and no lease is stolen."""

from __future__ import annotations

import time

from faults import wall_clock
from faults.audit import audit
from faults.grounds import Grounds
from faults.matrix import Figures, row
from faults.world import World, a_world
from servers.answers import reply
from servers.process import wait_until
from servers.receiver import Receiver

EVENTS, RETRIED = 5_000, 5
WAIT, JITTER, LATE = 8.0, 0.2, 2.5
HOUR = 3_600


@row("clocks", "wall clocks of two workers jump by +-1 h, in opposite directions", long=True)
def clocks_jump(grounds: Grounds) -> Figures:
    """Workers that disagree by two hours keep to each other's leases and to the waits between attempts."""
    clocks = [wall_clock.WallClock(grounds.folder()) for _ in range(2)]
    with a_world(grounds) as world, Receiver() as failing:
        for clock in clocks:
            world.workers(1, changes=clock.environment, command=wall_clock.COMMAND)
        world.landing.behave(delay=0.3)
        world.integrate(timeout_seconds=10)
        _fail(world, failing)
        with world.load.going_on(at_once=20, pause=0.04):
            for ahead in (1, -1, 0):
                for clock, direction in zip(clocks, (ahead, -ahead), strict=True):
                    clock.jump(direction * HOUR)
                time.sleep(WAIT / 2)
        world.load.publish(max(EVENTS - len(world.load.accepted), 1))
        recovery = world.settle()
        waits = _waits(failing)
        account = audit(world)
        (stolen,) = world.sql("SELECT count(*) FROM attempts WHERE verdict = 'unknown' OR late")[0]
    wrong = [wait for wait in waits if not WAIT * (1 - JITTER) <= wait <= WAIT * (1 + JITTER) + LATE]
    return account.figures(
        recovery=recovery,
        broken=[
            *([f"{account.duplicates} came twice"] if account.duplicates else []),
            *([f"{stolen} leases ended early"] if stolen else []),
            *([f"retried after {wrong} s instead of {WAIT:g}"] if wrong or len(waits) != RETRIED else []),
        ],
        note=f"retries that were due after {WAIT:g} s (+-20 %) came after {min(waits):.1f} to {max(waits):.1f} s",
    )


def _fail(world: World, failing: Receiver) -> None:
    """Let a few deliveries fail once, so that they are due after the clocks have jumped."""
    failing.choose(lambda request: None if _is_retry(failing, request.headers["webhook-id"]) else reply(500))
    delivery = {"timeout_seconds": 5, "retry_waits": [WAIT] * 3}
    world.api.integrate(failing.url, "order.created", delivery=delivery)
    world.api.publish(RETRIED, "order.created")
    wait_until(lambda: len(failing.requests) == RETRIED, "the first attempts")


def _is_retry(failing: Receiver, message_id: str) -> bool:
    return [request.headers["webhook-id"] for request in failing.requests].count(message_id) > 1


def _waits(failing: Receiver) -> list[float]:
    """Tell how long each delivery waited between its two attempts, in true seconds."""
    came: dict[str, list[float]] = {}
    for request in failing.requests:
        came.setdefault(request.headers["webhook-id"], []).append(request.arrived_at)
    return [later - first for first, later in came.values()]
