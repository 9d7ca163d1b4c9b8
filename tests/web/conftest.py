"""The real app behind a real server, and a client that knocks at it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from api import Api
from house import House, build_house

from postrider.store.engine import Database


@pytest.fixture
def api(sqlite: Database) -> Iterator[Api]:
    """Serve a house over SQLite: for what no database has a say in."""
    with build_house(sqlite) as house, Api(house) as built:
        yield built


@pytest.fixture
def either_api(house: House) -> Iterator[Api]:
    """Serve a house; the test runs once for each kind of database."""
    with Api(house) as built:
        yield built
