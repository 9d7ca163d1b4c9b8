"""What time it is: the database's, carried on by a clock that does not jump."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from postrider.store.clock import DatabaseClock
from postrider.store.engine import Database

AWAY = timedelta(days=400)

# In a process of its own, because only there may the wall clock be anything.
_JUMP = """
import time
from datetime import timedelta
from postrider.store.clock import SystemClock
clock, wall = SystemClock(), time.time
before = clock.now()
time.time = lambda: wall() + {seconds}
time.time_ns = lambda: int(time.time() * 1e9)
moved = clock.now() - before
assert timedelta(0) <= moved < timedelta(minutes=1), moved
"""


class DistantDatabase:
    """A database on a machine whose clock tells another year."""

    @contextmanager
    def read(self) -> Iterator[DistantDatabase]:
        yield self

    def execute(self, _: object) -> DistantDatabase:
        return self

    def scalar_one(self) -> float:
        return (datetime.now(UTC) + AWAY).timestamp()


def test_the_time_is_the_databases() -> None:
    """What this machine's wall clock says does not matter: all workers of a database agree on the time."""
    clock = DatabaseClock(DistantDatabase())  # type: ignore[arg-type]

    assert abs(clock.now() - datetime.now(UTC) - AWAY) < timedelta(seconds=30)


def test_postgresql_tells_the_time(postgresql: Database) -> None:
    """The clock never goes back, and is close to this machine's, on which the server runs."""
    clock = DatabaseClock(postgresql)

    times = [clock.now() for _ in range(100)]

    assert times == sorted(times)
    assert abs(times[0] - datetime.now(UTC)) < timedelta(seconds=30)


def test_a_wall_clock_that_jumps_moves_no_time() -> None:
    """Without a database server the wall clock is read once, at the start."""
    for seconds in (86_400, -86_400):
        subprocess.run([sys.executable, "-c", _JUMP.format(seconds=seconds)], check=True, timeout=60)
