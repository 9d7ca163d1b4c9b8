"""Whatever is done in whatever order, no delivery is lost, doubled, stolen or forgotten too early.

A machine publishes, fans out, claims, settles in time and too late, loses workers, redrives, replays, cancels,
discards, switches off, edits and deletes, at random and with a clock that jumps; after every step the database must
hold what a plain model says. More of it than the suite has time for: `pytest tests/machine --hypothesis-profile=deep`.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from machine.house_machine import HouseMachine
from sqlalchemy import event

from postrider.store.engine import Database

DEEP = settings.get_current_profile_name() == "deep"
SETTINGS = settings(
    max_examples=2_000 if DEEP else 15,
    stateful_step_count=100 if DEEP else 40,
    deadline=None,
    print_blob=True,
    # The suite tries the same ways each time; a deep run looks for new ones.
    derandomize=not DEEP,
    # Real databases take their time.
    suppress_health_check=[HealthCheck.too_slow],
)


@pytest.fixture
def unsynced(database: Database) -> Database:
    """Give a database whose thousands of small commits need not reach the disk: no power cut is tried here."""
    if database.is_sqlite:
        event.listen(database.engine, "connect", lambda connection, _: connection.execute("PRAGMA synchronous=OFF"))
    return database


@pytest.mark.timeout(7_200 if DEEP else 120)
def test_what_is_stored_follows_the_model(unsynced: Database) -> None:
    """Every delivery is where the model says, and no promise is broken on the way."""
    run_state_machine_as_test(lambda: HouseMachine(unsynced), settings=SETTINGS)
