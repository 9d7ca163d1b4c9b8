"""Services to manage things with, over SQLite: what is said here is said of rules, not of databases."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

import pytest
from house import House, MovableClock, RecordingRing, build_house

from postrider.services import Services
from postrider.store.engine import Database


@pytest.fixture
def sqlite_house(sqlite: Database) -> Iterator[House]:
    with build_house(sqlite) as built:
        yield built


@pytest.fixture
def services(sqlite_house: House) -> Services:
    return sqlite_house.services


@pytest.fixture
def tenant(sqlite_house: House) -> UUID:
    return sqlite_house.tenant.id


@pytest.fixture
def ring(sqlite_house: House) -> RecordingRing:
    return sqlite_house.ring


@pytest.fixture
def clock(sqlite_house: House) -> MovableClock:
    return sqlite_house.clock
