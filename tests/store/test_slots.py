"""Slots: at most one for each worker process, whatever plan the database makes."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from house import House
from sqlalchemy import text

from postrider.store import bells
from postrider.store.engine import Transaction

# What is left is a loop that looks for the free slot anew for each slot that there is.
_ONLY_LOOPS = ["hashjoin", "mergejoin", "hashagg", "sort", "material", "memoize", "bitmapscan", "indexscan"]


@pytest.fixture
def integration_id(house: House) -> UUID:
    return house.integrate("http://127.0.0.1:9/").id


def take(house: House, tx: Transaction, integration_id: UUID, holder: UUID) -> int | None:
    now = house.services.clock.now()
    return bells.any_tenant_take_slot(
        tx, integration_id, holder=holder, slots_open=2, now=now, until=now + timedelta(seconds=3)
    )


def test_another_plan_gave_one_worker_every_slot(house: House, integration_id: UUID) -> None:
    """PostgreSQL looked for the free slot once for each slot, took both, and nothing was delivered."""
    holders = [house.services.ids.new() for _ in range(3)]
    with house.services.database.write() as tx:
        if tx.dialect.name == "postgresql":
            for kind in _ONLY_LOOPS:
                tx.execute(text(f"SET LOCAL enable_{kind} = off"))
        taken = [take(house, tx, integration_id, holder) for holder in (*holders, holders[0])]

    assert taken == [1, 2, None, 1]
