"""A message that ends every worker that touches it: it is buried, and the others arrive."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from faults.audit import audit
from faults.grounds import Grounds
from faults.matrix import Figures, row
from faults.world import SHORT_SECONDS, World, a_world
from flows.installed import Running

from postrider.domain.delivery import LOST_LIMIT

EVENTS = 5_000
THIRD_PARTY = str(Path(__file__).parents[1] / "third_party")
_BURIED = "SELECT reason, lost FROM deliveries WHERE status = 'dead'"


@row("poison", "a third party's transport that ends the process for one message", long=True)
def a_message_ends_its_workers(grounds: Grounds) -> Figures:
    """A supervisor starts the workers again; after five losses the message is a dead letter and all else is there."""
    with a_world(grounds, settings={"PYTHONPATH": THIRD_PARTY}) as world:
        world.integrate(timeout_seconds=SHORT_SECONDS)
        configuration = {"url": world.landing.url, "secret_key": "s3cret"}
        world.integrate(
            changes={"integration_type": "crasher", "configuration": configuration}, timeout_seconds=SHORT_SECONDS
        )
        world.load.publish(EVENTS)
        with _supervised(world, 2) as ended:
            recovery = world.settle(seconds=200)
        buried = world.sql(_BURIED)
        expected = [("worker_lost", LOST_LIMIT)]
        return audit(world, integrations=lambda _: 2).figures(
            dead=1,
            recovery=recovery,
            broken=[f"buried: {buried}"] if buried != expected else [],
            note=f"{len(ended)} workers ended and were started again; the message is a dead letter: worker_lost",
        )


@contextmanager
def _supervised(world: World, number: int) -> Iterator[list[Running]]:
    """Keep so many workers running; gives those that ended."""
    ended: list[Running] = []
    running = [world.deployment.worker() for _ in range(number)]
    leaving = threading.Event()

    def supervise() -> None:
        while not leaving.wait(0.05):
            for place, worker in enumerate(running):
                if worker.process.poll() is not None:
                    ended.append(worker)
                    running[place] = world.deployment.worker()

    thread = threading.Thread(target=supervise)
    thread.start()
    try:
        yield ended
    finally:
        leaving.set()
        thread.join()
