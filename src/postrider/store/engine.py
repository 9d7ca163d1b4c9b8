"""How the database is reached: pools, transactions, and what its failures are called."""

from __future__ import annotations

import os
import sqlite3
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from postrider.domain.errors import Unavailable

Transaction = Connection
"""What every store function takes first: an open transaction, or a connection in autocommit mode."""

OLDEST_SQLITE = (3, 35, 0)
"""The first that knows RETURNING; an operating system's Python may come with an older one."""
WRITER_WAIT_SECONDS = 10.0
SMALLEST_SHARED_POOL = 6
"""A pool of so many connections sets two of them aside for what need not wait for the disk."""
_WRITING = "postrider_writing"
_PLANNED_ANEW = "-c plan_cache_mode=force_custom_plan"
"""A plan that PostgreSQL keeps was made for the tables as they were then. From those of a new installation, which were
empty, it went on to read them from end to end until its first look at their numbers, minutes later."""


class FairLock:
    """A lock that is given in the order of asking; a plain one starves somebody under load."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._held = False
        self._queue: deque[threading.Event] = deque()

    def acquire(self, wait: float) -> bool:
        """Wait for a turn up to `wait` seconds; False when it did not come."""
        with self._guard:
            if not self._held:
                self._held = True
                return True
            turn = threading.Event()
            self._queue.append(turn)
        if turn.wait(wait):
            return True
        with self._guard:
            if turn in self._queue:
                self._queue.remove(turn)
                return False
        return True  # the turn came between the wait's end and the look

    def waiting(self) -> int:
        """Tell how many wait for their turn."""
        with self._guard:
            return len(self._queue)

    def release(self) -> None:
        """Hand over to whoever asked first."""
        with self._guard:
            if self._queue:
                self._queue.popleft().set()
            else:
                self._held = False


class Database:
    """One database, SQLite or PostgreSQL, behind the same three ways in."""

    def __init__(self, url: str, *, pool_size: int = 8, pool_wait: float = 2.0) -> None:
        """Connect on first use; a pool of `pool_size`, and `pool_wait` seconds of patience for a connection.

        Raises ValueError for a URL that is none, or of another kind of database, and where SQLite is too old.
        """
        self.url = _checked(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._writer = FairLock()
        light = 2 if pool_size >= SMALLEST_SHARED_POOL else 0
        make = self._sqlite if self.is_sqlite else self._postgresql
        self.engine = make(pool_size - light, pool_wait)
        self._autocommit = self.engine.execution_options(isolation_level="AUTOCOMMIT")
        self._lightly = make(light, pool_wait, durable=False) if light else self.engine
        self._lightly_autocommit = self._lightly.execution_options(isolation_level="AUTOCOMMIT")

    def _postgresql(self, pool_size: int, pool_wait: float, *, durable: bool = True) -> Engine:
        # Bounded waits everywhere: a database host that vanished must not hold a thread for TCP's fifteen minutes.
        arguments: dict[str, Any] = {
            "options": f"-c timezone=UTC -c idle_in_transaction_session_timeout=60s {_PLANNED_ANEW}"
            + ("" if durable else " -c synchronous_commit=off"),
            "connect_timeout": 5,
            "keepalives_idle": 10,
            "keepalives_interval": 5,
            "keepalives_count": 3,
            "tcp_user_timeout": 20_000,
            "application_name": "postrider",
        }
        return create_engine(
            self.url,
            pool_size=pool_size,
            max_overflow=0,
            pool_timeout=pool_wait,
            connect_args=arguments,
            hide_parameters=True,  # a traceback must not hold payloads
        )

    def _sqlite(self, pool_size: int, pool_wait: float, *, durable: bool = True) -> Engine:
        # Readers beside the writer are cheap, and pages are many: SQLite gets room for them.
        engine = create_engine(
            self.url,
            pool_size=pool_size,
            max_overflow=32,
            pool_timeout=pool_wait,
            connect_args={"timeout": 10},
            hide_parameters=True,
        )
        event.listen(engine, "do_connect", _create_privately)
        event.listen(engine, "connect", partial(_prepare_sqlite, synchronous="FULL" if durable else "NORMAL"))
        event.listen(engine, "begin", _begin_sqlite)
        return engine

    @contextmanager
    def read(self) -> Iterator[Transaction]:
        """Look without a transaction: each statement sees what is committed when it starts."""
        with _named_failures(), self._autocommit.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """Change in one transaction: committed at the end, rolled back on any exception."""
        with _named_failures(), self._transaction(self.engine) as connection:
            yield connection

    @contextmanager
    def write_once(self) -> Iterator[Transaction]:
        """Change by a single statement, which is its own transaction: saves PostgreSQL two round trips."""
        with _named_failures(), self._once(self.engine, self._autocommit) as connection:
            yield connection

    @contextmanager
    def write_lightly(self) -> Iterator[Transaction]:
        """Change, by a single statement, what workers only agree by: rings, slots and leases.

        It does not wait for the disk. A database that crashes may forget the last second of it, which costs a ring
        too many or too few, or one more process that drains; never anything that was published or sent.
        """
        with _named_failures(), self._once(self._lightly, self._lightly_autocommit) as connection:
            yield connection

    def _once(self, engine: Engine, autocommit: Engine) -> AbstractContextManager[Connection]:
        return self._transaction(engine) if self.is_sqlite else autocommit.connect()

    @contextmanager
    def _transaction(self, engine: Engine) -> Iterator[Transaction]:
        with self._turn(), engine.connect() as connection:
            writing = connection.execution_options(**{_WRITING: True})
            with writing.begin():
                yield writing

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self.is_sqlite:
            yield
            return
        if not self._writer.acquire(WRITER_WAIT_SECONDS):
            raise Unavailable("the database is busy; try again")
        try:
            yield
        finally:
            self._writer.release()

    def close(self) -> None:
        """Close every idle connection."""
        self.engine.dispose()
        self._lightly.dispose()


def check_sqlite(found: tuple[int, ...]) -> None:
    """Raise ValueError for a SQLite that lacks what our statements say."""
    if found < OLDEST_SQLITE:
        this, oldest = (".".join(str(part) for part in version) for version in (found, OLDEST_SQLITE))
        raise ValueError(f"this Python comes with SQLite {this}, and {oldest} or later is needed")


def _checked(url: str) -> URL:
    try:
        checked = make_url(url)
    except ArgumentError:
        raise ValueError("it is not a URL such as postgresql+psycopg://user:password@host/database") from None
    if checked.get_backend_name() not in {"sqlite", "postgresql"}:
        raise ValueError(f"{checked.get_backend_name()!r} is not supported; use postgresql+psycopg or sqlite")
    if checked.get_backend_name() == "sqlite":
        check_sqlite(sqlite3.sqlite_version_info)
    return checked.set(drivername="postgresql+psycopg") if checked.drivername == "postgresql" else checked


@contextmanager
def _named_failures() -> Iterator[None]:
    try:
        yield
    except PoolTimeoutError as error:
        raise Unavailable("all database connections are in use; try again") from error
    except DBAPIError as error:
        if _is_passing(error):
            raise Unavailable("the database does not answer; try again") from error
        raise


# Busy, locked, no memory, read-only, interrupted, I/O error, full, cannot open, lock protocol.
_PASSING_SQLITE = frozenset({5, 6, 7, 8, 9, 10, 13, 14, 15})
# PostgreSQL says this while it is a standby, as after a failover.
_READ_ONLY = "25006"


def _is_passing(error: DBAPIError) -> bool:
    """Tell an outage, which ends, from a mistake of ours, which does not."""
    if error.connection_invalidated:
        return True
    if isinstance(error.orig, sqlite3.Error):
        return getattr(error.orig, "sqlite_errorcode", 0) & 0xFF in _PASSING_SQLITE
    # psycopg names lost connections, deadlocks, full disks and shutdowns OperationalError.
    return isinstance(error, OperationalError | InterfaceError) or getattr(error.orig, "sqlstate", "") == _READ_ONLY


def _create_privately(_dialect: object, _record: object, arguments: list[Any], _more: object) -> None:
    """Make a new database file its owner's alone; the journals beside it take over its mode."""
    path = str(arguments[0]) if arguments else ""
    if path and not path.startswith((":memory:", "file:")):
        # What keeps it from being made, SQLite says better.
        with suppress(OSError):
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))


def _prepare_sqlite(connection: Any, _record: object, *, synchronous: str) -> None:
    # The driver's own transactions begin too late (deferred) and would fail half-way with BUSY.
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        f"synchronous={synchronous}",
        "foreign_keys=ON",
        "busy_timeout=10000",
        "cache_size=-32000",
        "temp_store=MEMORY",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    if connection.get_execution_options().get(_WRITING):
        connection.exec_driver_sql("BEGIN IMMEDIATE")
