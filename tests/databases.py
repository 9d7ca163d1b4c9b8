"""Fresh, migrated databases of both kinds."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import psycopg
from psycopg import sql
from servers.postgres import PostgresServer
from servers.process import wait_until
from sqlalchemy import Dialect, Engine
from sqlalchemy.util import LRUCache

from postrider.store.engine import Database
from postrider.store.migrate import migrate
from postrider.store.tables import metadata

TABLES = [table.name for table in reversed(metadata.sorted_tables)]
_FILL = sql.SQL("INSERT INTO {0} SELECT * FROM json_populate_recordset(NULL::{0}, %s)")
_OTHERS = """
SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""
# Whatever is created, altered, truncated or dropped leaves its transaction's number there.
_SHAPE = """
SELECT (SELECT array_agg(version_num) FROM alembic_version),
       (SELECT (count(*), max(xmin::text::bigint))::text FROM pg_class),
       (SELECT (count(*), max(xmin::text::bigint))::text FROM pg_attribute),
       (SELECT (count(*), max(xmin::text::bigint))::text FROM pg_constraint),
       (SELECT (count(*), max(xmin::text::bigint))::text FROM pg_trigger),
       (SELECT (count(*), max(xmin::text::bigint))::text FROM pg_proc),
       (SELECT count(*) FROM pg_db_role_setting)
"""


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


class RehearsedDatabase(Database):
    """A database that takes over what others of its kind made of our statements.

    To write their SQL anew takes a quarter of the time of a test that asks for a few pages.
    """

    _known: ClassVar[dict[str, tuple[Dialect, LRUCache[Any, Any]]]] = {}
    """By kind: the dialect, which is part of what a statement is kept under, and the statements."""

    def _postgresql(self, *given: Any, **more: Any) -> Engine:
        return self._rehearsed(super()._postgresql(*given, **more))

    def _sqlite(self, *given: Any, **more: Any) -> Engine:
        return self._rehearsed(super()._sqlite(*given, **more))

    def _rehearsed(self, engine: Engine) -> Engine:
        if engine.name not in self._known:
            # A dialect knows its server only when it has been connected to.
            engine.connect().close()
            self._known[engine.name] = engine.dialect, LRUCache(1_000)
        engine.dialect, statements = self._known[engine.name]
        engine.update_execution_options(compiled_cache=statements)
        return engine


@contextmanager
def sqlite_database(template: Path, folder: Path) -> Iterator[Database]:
    """Open a copy of the template."""
    path = folder / "postrider.db"
    shutil.copyfile(template, path)
    database = RehearsedDatabase(f"sqlite:///{path}")
    yield database
    database.close()


class CleanPostgresql:
    """A copy of the template that one test after the other gets, emptied in between.

    Making a database and dropping it takes a hundred times as long as emptying it. One that a test left otherwise than
    it was - in its tables or its settings, or with a connection still open - is dropped, and the next gets a new one.
    """

    def __init__(self, server: PostgresServer, template: str) -> None:
        self._server, self._template = server, template
        self._spare: str | None = None
        self._shape: tuple[object, ...] = ()
        self._rows: dict[str, str] = {}
        """What a migration puts into each table, as JSON."""

    @contextmanager
    def lent(self) -> Iterator[Database]:
        """Give it to a test; nobody else may have it meanwhile."""
        url, self._spare = self._spare or self._new(), None
        database = RehearsedDatabase(url)
        yield database
        database.close()
        if self._emptied(url):
            self._spare = url
        else:
            self._server.drop_database(url)

    def _new(self) -> str:
        url = self._server.create_database(template=self._template)
        with _connected(url) as connection:
            self._shape = _shape(connection)
            self._rows = {name: rows for name in TABLES if (rows := _rows(connection, name))}
        return url

    def _emptied(self, url: str) -> bool:
        try:
            with _connected(url) as connection:
                wait_until(lambda: not _others(connection), "the test's connections to end", seconds=1)
                if _shape(connection) != self._shape:
                    return False
                for name in TABLES:
                    connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(name)))
                for name, rows in self._rows.items():
                    connection.execute(_FILL.format(sql.Identifier(name)), [rows])
        except (psycopg.Error, TimeoutError):
            return False
        return True


def _connected(url: str) -> psycopg.Connection[tuple[Any, ...]]:
    return psycopg.connect(
        url.replace("+psycopg", ""), autocommit=True, connect_timeout=5, options="-c lock_timeout=1s"
    )


def _rows(connection: psycopg.Connection[tuple[Any, ...]], name: str) -> str:
    query = sql.SQL("SELECT json_agg(t)::text FROM {} t").format(sql.Identifier(name))
    ((rows,),) = connection.execute(query).fetchall()
    return rows or ""


def _others(connection: psycopg.Connection[tuple[Any, ...]]) -> bool:
    return connection.execute(_OTHERS).fetchall() != [(0,)]


def _shape(connection: psycopg.Connection[tuple[Any, ...]]) -> tuple[object, ...]:
    (row,) = connection.execute(_SHAPE).fetchall()
    return row
