"""Fresh, migrated databases of both kinds."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from servers.postgres import PostgresServer

from postrider.store.engine import Database
from postrider.store.migrate import migrate


def migrated_postgresql(server: PostgresServer) -> str:
    """Make a database to copy: migrated, empty."""
    url = server.create_database()
    database = Database(url)
    migrate(database)
    database.close()
    return url


def migrated_sqlite(folder: Path) -> Path:
    """Make a file to copy: migrated, empty."""
    path = folder / "template.db"
    database = Database(f"sqlite:///{path}")
    migrate(database)
    database.close()
    return path


@contextmanager
def sqlite_database(template: Path, folder: Path) -> Iterator[Database]:
    """Open a copy of the template."""
    path = folder / "postrider.db"
    shutil.copyfile(template, path)
    database = Database(f"sqlite:///{path}")
    yield database
    database.close()


@contextmanager
def postgresql_database(server: PostgresServer, template: str) -> Iterator[Database]:
    """Open a copy of the template."""
    url = server.create_database(template=template)
    database = Database(url)
    yield database
    database.close()
    server.drop_database(url)
