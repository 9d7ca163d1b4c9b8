"""Nothing is broken, or the workers are."""

from __future__ import annotations

import os
import signal
import time

from faults.audit import audit
from faults.grounds import Grounds
from faults.matrix import Figures, row
from faults.world import BEGUN, LEASE_SECONDS, SHORT_SECONDS, SWEEP_SECONDS, World, a_world
from flows.installed import Running
from servers.process import wait_until

from postrider.bell.app import DELIVER_TASK, make_app

KILLS, STOPS = 20, 12
STOP_MARGIN = 5.0


@row("none", "none, 10,000 events", long=True)
def nothing_is_broken(grounds: Grounds) -> Figures:
    """Two workers, one integration: each event arrives once."""
    with a_world(grounds) as world:
        world.workers(2)
        world.integrate()
        started = time.monotonic()
        world.load.publish(10_000, threads=2)
        world.settle()
        seconds = time.monotonic() - started
        account = audit(world)
    return account.figures(
        broken=_none_twice(account.duplicates), note=f"all arrived {seconds:.1f} s after the first was published"
    )


@row("worker-killed-once", "one of two workers SIGKILL", long=True)
def a_worker_is_killed(grounds: Grounds) -> Figures:
    """What it held is sent by the other when the leases are over: the deliveries', and the sweep's if it had it."""
    with a_world(grounds) as world:
        workers = world.workers(2)
        world.landing.behave(delay=0.3)
        world.integrate(timeout_seconds=SHORT_SECONDS)
        world.load.publish(5_000)
        world.wait_until_sending(20)
        moment = _kill(workers[0])
        world.settle()
        return _recovered(world, world.recovery([moment]), LEASE_SECONDS + SWEEP_SECONDS)


@row("worker-killed", f"worker SIGKILL x{KILLS}", long=True)
def workers_are_killed(grounds: Grounds) -> Figures:
    """Of two workers one is killed in mid-flight, again and again, while events keep coming."""
    with a_world(grounds) as world:
        workers = world.workers(2)
        world.landing.behave(delay=0.3)
        world.integrate(timeout_seconds=SHORT_SECONDS)
        moments = [0.0]
        with world.load.going_on(at_once=20, pause=0.1):
            for _ in range(KILLS):
                # Claimed since the last kill, so that whoever is killed next is one that works.
                world.wait_until_sending(20, since=moments[-1])
                workers.append(world.deployment.worker())
                moments.append(_kill(workers.pop(0)))
                workers[-1].wait_for(BEGUN)
        world.load.publish(max(5_000 - len(world.load.accepted), 1))
        world.settle()
        # Whoever is to sweep next may be killed as well.
        return _recovered(
            world,
            world.recovery(moments),
            LEASE_SECONDS + 2 * SWEEP_SECONDS,
            note=f"; what was lost twice is tried one by one, within {world.recovery(moments, losses=2):.0f} s",
        )


def _recovered(world: World, recovery: float, allowed: float, *, note: str = "") -> Figures:
    return audit(world).figures(
        recovery=recovery,
        broken=[f"tried again only after {recovery:.1f} s"] if recovery > allowed else (),
        note=f"leases and sweeps end within {allowed:g} s{note}",
    )


@row("worker-stopped", f"rolling SIGTERM x{STOPS} under load", long=True)
def workers_are_stopped(grounds: Grounds) -> Figures:
    """A rolling restart: each worker ends what is under way and gives the rest back."""
    with a_world(grounds) as world:
        workers = world.workers(2)
        world.landing.behave(delay=0.2)
        world.integrate(timeout_seconds=SHORT_SECONDS)
        stops = []
        with world.load.going_on(at_once=20):
            for _ in range(STOPS):
                world.wait_until_sending(20)
                workers.append(world.deployment.worker())
                stops.append(_stop(workers.pop(0)))
                workers[-1].wait_for(BEGUN)
        world.load.publish(max(5_000 - len(world.load.accepted), 1))
        world.settle()
        account = audit(world)
    slow = [f"a stop took {max(stops):.1f} s"] if max(stops) > SHORT_SECONDS + STOP_MARGIN else []
    return account.figures(
        broken=[*_none_twice(account.duplicates), *slow], note=f"the slowest stop took {max(stops):.1f} s"
    )


@row("ring-x100", "the same ring x100")
def one_ring_a_hundred_times(grounds: Grounds) -> Figures:
    """Two workers hear a hundred rings for one integration: each delivery is claimed once."""
    with a_world(grounds) as world:
        world.workers(2)
        integration_id = world.integrate()
        bell = make_app(grounds.redis.url(0))
        with bell.connection_for_write() as connection:
            world.load.publish(2_500)
            for _ in range(100):
                bell.send_task(DELIVER_TASK, args=([integration_id],), ignore_result=True, connection=connection)
            world.load.publish(2_500)
        bell.close()
        world.settle()
        account = audit(world)
        (attempts,) = world.sql("SELECT count(*) FROM attempts")[0]
    more = [f"{attempts} attempts for {account.events} deliveries"] if attempts != account.events else []
    return account.figures(broken=[*_none_twice(account.duplicates), *more], note="one attempt for each delivery")


@row("lease-expired", "a worker frozen in mid-send until its leases are over", long=True)
def a_lease_ends_in_mid_send(grounds: Grounds) -> Figures:
    """What the frozen worker held is delivered by another; when it wakes, its stale tokens change no row."""
    with a_world(grounds) as world:
        (frozen,) = world.workers(1)
        world.landing.behave(delay=0.5)
        world.integrate(timeout_seconds=SHORT_SECONDS)
        world.load.publish(500)
        world.landing.wait_for(50)
        frozen_at = time.time()
        os.kill(frozen.process.pid, signal.SIGSTOP)
        try:
            world.workers(1)
            world.settle()
            before = _deliveries(world)
        finally:
            os.kill(frozen.process.pid, signal.SIGCONT)
        wait_until(lambda: _late_attempts(world) > 0, "the outcomes of the worker that woke", seconds=20)
        assert frozen.terminate() == 0
        late = _late_attempts(world)
        changed = before != _deliveries(world)
        return audit(world).figures(
            recovery=world.recovery([frozen_at]),
            broken=[*(["a stale token moved a delivery"] if changed else []), *([] if late else ["no late outcome"])],
            note=f"{late} outcomes came late and changed nothing",
        )


def _kill(worker: Running) -> float:
    worker.kill()
    return time.time()


def _stop(worker: Running) -> float:
    started = time.monotonic()
    code = worker.terminate()
    assert code == 0, worker.text()
    return time.monotonic() - started


def _none_twice(duplicates: int) -> list[str]:
    return [f"{duplicates} came twice"] if duplicates else []


def _deliveries(world: World) -> list[tuple[object, ...]]:
    return world.sql("SELECT id, status, attempt, updated_at FROM deliveries ORDER BY id")


def _late_attempts(world: World) -> int:
    count: int = world.sql("SELECT count(*) FROM attempts WHERE late")[0][0]
    return count
