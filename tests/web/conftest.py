"""The real app behind a real server, and a client that knocks at it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from api import Api
from databases import sqlite_database
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


@pytest.fixture(scope="module")
def refusing(migrated_sqlite_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """Serve a house that a whole file's tests can share, because nothing that they ask for is done."""
    folder = tmp_path_factory.mktemp("refusing")
    with (
        sqlite_database(migrated_sqlite_file, folder) as database,
        build_house(database) as house,
        Api(house) as built,
    ):
        yield built
