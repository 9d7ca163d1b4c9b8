"""A thousand integrations are dead with a million deliveries due: the sweep finds the healthy ones all the same."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from statistics import median
from uuid import UUID

from faults.grounds import Grounds
from faults.load import EVENT_TYPE
from faults.matrix import Figures, row
from faults.world import World, a_world
from servers.process import free_port

from postrider.pipeline.sweep import WALK_PAGE
from postrider.store import integrations
from postrider.store.engine import Database

DEAD, DUE_EACH, HEALTHY = 1_000, 1_000, 10
TURN_MILLISECONDS = 50.0
"""What one turn of the sweep may take of the database, to look at all integrations."""
TURNS = 20
_DUE = """
INSERT INTO deliveries (id, tenant_id, event_id, integration_id, event_type, status, due_at, created_at, updated_at)
SELECT gen_random_uuid(), e.tenant_id, e.id, i.id, e.event_type, 'pending', now() - make_interval(secs => n), now(),
    now()
FROM events e, integrations i, generate_series(1, %s) AS n
WHERE e.id = %s::uuid AND (i.id = ANY(%s::uuid[])) = %s
"""


@row(
    "dead-backlog",
    f"{DEAD:,} dead integrations with {DEAD * DUE_EACH:,} deliveries due, beside {HEALTHY} healthy",
    long=True,
)
def integrations_are_dead(grounds: Grounds) -> Figures:
    """One turn of the sweep looks at them all, finds each healthy one, and costs the database little."""
    with a_world(grounds) as world:
        healthy = [world.integrate() for _ in range(HEALTHY)]
        nobody = f"http://127.0.0.1:{free_port()}/hook"
        for _ in range(DEAD):
            world.integrate(nobody)
        _fall_behind(world, healthy)
        took, found = _turns(world)
        started = time.monotonic()
        with _one_worker(world):
            world.landing.wait_for(HEALTHY)
            waited = time.monotonic() - started
        missed = len({UUID(one) for one in healthy} - found)
        return Figures(
            events=len(world.load.accepted),
            broken=(
                *([f"{missed} healthy ones were not found"] if missed else []),
                *([f"a turn took {median(took):.0f} ms"] if median(took) > TURN_MILLISECONDS else []),
            ),
            note=f"a turn of the sweep takes {median(took):.1f} ms, the slowest of {TURNS} {max(took):.1f} ms; the "
            f"healthy ones were served {waited:.1f} s after a worker began",
        )


def _fall_behind(world: World, healthy: list[str]) -> None:
    """Give each dead integration its share of the backlog, and each healthy one a single delivery."""
    world.load.publish(1)
    (event,) = world.load.accepted
    world.sql("UPDATE events SET fanned_out_at = now() WHERE event_type = %s", EVENT_TYPE)
    world.sql(_DUE, DUE_EACH, event, healthy, False)
    world.sql(_DUE, 1, event, healthy, True)
    world.sql("VACUUM ANALYZE deliveries")


def _turns(world: World) -> tuple[list[float], set[UUID]]:
    """Walk over all integrations again and again; gives the milliseconds of each walk, and what the last one found."""
    database = Database(world.database_url)
    took, found = [], set[UUID]()
    try:
        for _ in range(TURNS):
            started = time.perf_counter()
            found = set(_walk(database))
            took.append((time.perf_counter() - started) * 1000)
    finally:
        database.close()
    return took, found


def _walk(database: Database) -> Iterator[UUID]:
    after: UUID | None = None
    while True:
        with database.read() as tx:
            after, due = integrations.any_tenant_walk(tx, after=after, limit=WALK_PAGE, now=datetime.now(UTC))
        yield from due
        if after is None:
            return


@contextmanager
def _one_worker(world: World) -> Iterator[None]:
    (worker,) = world.workers(1)
    yield
    worker.kill()
