"""What time it is: the database's, carried on by a clock that does not jump."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from servers.process import wait_until

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
    """A database on a machine whose clock tells another year; it may take its time to say so."""

    def __init__(self) -> None:
        self.away, self.takes, self.looks = AWAY, 0.0, 0

    @contextmanager
    def read(self) -> Iterator[DistantDatabase]:
        yield self

    def execute(self, _: object) -> DistantDatabase:
        return self

    def scalar_one(self) -> float:
        time.sleep(self.takes)
        self.looks += 1
        return (datetime.now(UTC) + self.away).timestamp()


def test_the_time_is_the_databases() -> None:
    """What this machine's wall clock says does not matter: all workers of a database agree on the time."""
    clock = DatabaseClock(DistantDatabase())  # type: ignore[arg-type]

    assert tells(clock, AWAY)


def test_a_look_that_takes_long_moves_no_time() -> None:
    """A process that was held up while it asked keeps its time until it has asked again, and steals no lease."""
    database = DistantDatabase()
    clock = DatabaseClock(database, every=0.01, longest_look=0.1)  # type: ignore[arg-type]
    database.away, database.takes = 2 * AWAY, 0.2
    clock.start()
    wait_until(lambda: database.looks >= 3, "it was asked again and again")
    kept = tells(clock, AWAY)
    database.takes = 0.0
    wait_until(lambda: tells(clock, 2 * AWAY), "the time is the database's")
    clock.stop()

    assert kept


def tells(clock: DatabaseClock, away: timedelta) -> bool:
    return abs(clock.now() - datetime.now(UTC) - away) < timedelta(seconds=30)


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
