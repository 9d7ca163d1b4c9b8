"""The database behind its three ways in: turns are fair, failures are named, and nothing is half done."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from databases import sqlite_database
from servers.postgres import PostgresServer
from servers.process import wait_until
from sqlalchemy import event, func, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from postrider.domain.errors import Unavailable
from postrider.store.engine import Database, FairLock, check_sqlite
from postrider.store.tables import leases


def count(database: Database) -> int:
    with database.read() as tx:
        return tx.execute(select(func.count()).select_from(leases)).scalar_one()


def put(database: Database, name: str) -> None:
    with database.write() as tx:
        tx.execute(text("INSERT INTO leases VALUES (:name, :name, :until)"), {"name": name, "until": 0})


def test_a_transaction_is_whole(database: Database) -> None:
    """An exception inside takes everything back."""
    with pytest.raises(IntegrityError), database.write() as tx:
        tx.execute(text("UPDATE doorbells SET rung_at = NULL, name = 'changed'"))
        tx.execute(text("INSERT INTO doorbells (name) VALUES ('changed')"))

    with database.read() as tx:
        assert tx.execute(text("SELECT name FROM doorbells")).scalars().all() == ["fan_out"]


def test_many_writers_on_sqlite_all_get_their_turn(sqlite: Database) -> None:
    """Writers queue behind one lock: none sees BUSY, and none is lost."""
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda number: put(sqlite, str(number)), range(300)))

    assert count(sqlite) == 300


def test_turns_come_in_the_order_of_asking() -> None:
    """Whoever asked first goes first."""
    lock, order, threads = FairLock(), [], []
    lock.acquire(1)

    def wait(number: int) -> None:
        lock.acquire(10)
        order.append(number)
        lock.release()

    for number in range(5):
        thread = threading.Thread(target=wait, args=(number,))
        thread.start()
        wait_until(lambda expected=number + 1: lock.waiting() == expected, "it has asked", seconds=5)
        threads.append(thread)
    lock.release()
    for thread in threads:
        thread.join()

    assert order == [0, 1, 2, 3, 4]


def test_a_turn_that_does_not_come_is_given_up() -> None:
    """Waiting ends at its limit, and the lock goes on without the one who left."""
    lock = FairLock()
    lock.acquire(1)

    assert not lock.acquire(0.01)
    lock.release()
    assert lock.acquire(0.01)


def test_sqlite_is_set_up_to_keep_what_it_was_given(sqlite: Database) -> None:
    """Write-ahead log, full syncs and foreign keys."""
    with sqlite.read() as tx:
        pragmas = [
            tx.execute(text(f"PRAGMA {name}")).scalar() for name in ("journal_mode", "synchronous", "foreign_keys")
        ]

    assert pragmas == ["wal", 2, 1]


def test_a_full_disk_is_unavailable_and_changes_nothing(migrated_sqlite_file: Path, tmp_path: Path) -> None:
    """When no page can be added the write is refused by name, and works again when there is room."""
    with sqlite_database(migrated_sqlite_file, tmp_path) as database:
        limits: list[int] = [1]
        event.listen(
            database.engine, "begin", lambda tx: tx.exec_driver_sql(f"PRAGMA max_page_count={limits[-1]}"), insert=True
        )
        with pytest.raises(Unavailable), database.write() as tx:
            tx.execute(text("INSERT INTO installation VALUES ('big', :big)"), {"big": "x" * 1_000_000})
        limits.append(1_000_000)
        put(database, "there is room")

        with database.read() as tx:
            assert tx.execute(text("SELECT count(*) FROM installation")).scalar() == 0
        assert count(database) == 1


@pytest.mark.parametrize("way", ["read", "write", "write_once", "write_lightly"])
def test_a_database_that_is_gone_is_unavailable(postgres_server: PostgresServer, way: str) -> None:
    """A refused connection has a name of ours, by whichever way in."""
    url = postgres_server.create_database()
    database = Database(url)
    with database.read():
        pass
    database.close()
    postgres_server.drop_database(url)

    with pytest.raises(Unavailable), getattr(database, way)():
        pass
    database.close()


def test_a_backend_that_was_ended_costs_one_request(postgresql: Database) -> None:
    """A connection that the server closed is named, and the next one works."""
    with postgresql.read() as tx:
        pid = tx.execute(text("SELECT pg_backend_pid()")).scalar()
    other = Database(postgresql.url.render_as_string(hide_password=False))
    with other.read() as tx:
        tx.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
    other.close()

    with pytest.raises(Unavailable), postgresql.read() as tx:
        tx.execute(text("SELECT 1"))
    with postgresql.read() as tx:
        assert tx.execute(text("SELECT 1")).scalar() == 1


def test_an_empty_pool_is_unavailable_in_time(postgresql: Database) -> None:
    """When every connection is in use a caller waits two seconds at the most, not for ever."""
    small = Database(postgresql.url.render_as_string(hide_password=False), pool_size=1, pool_wait=0.1)

    with small.read(), pytest.raises(Unavailable, match="in use"), small.read():
        pass
    small.close()


def test_a_mistake_of_ours_stays_a_mistake(database: Database) -> None:
    """What is wrong with a statement is not called an outage."""
    with pytest.raises(IntegrityError), database.write() as tx:
        tx.execute(text("INSERT INTO doorbells (name) VALUES ('fan_out')"))


def test_a_traceback_holds_no_parameters(database: Database) -> None:
    """Payloads and secrets are parameters; an error's text must not show them."""
    with pytest.raises(DBAPIError) as error, database.write() as tx:
        tx.execute(text("INSERT INTO no_such_table VALUES (:name)"), {"name": "canary-4711"})

    assert "canary-4711" not in str(error.value)


@pytest.mark.parametrize("found", [(3, 34, 1), (2, 99, 0)])
def test_an_old_sqlite_is_refused(found: tuple[int, ...]) -> None:
    """A Python whose SQLite lacks what our statements say is told so at the start, not by the first of them."""
    with pytest.raises(ValueError, match=r"3\.35\.0 or later"):
        check_sqlite(found)


def test_only_what_workers_agree_by_does_not_wait_for_the_disk(database: Database) -> None:
    """What is answered with 202, claimed or settled is on disk when its commit returns; a ring need not be."""
    question = "PRAGMA synchronous" if database.is_sqlite else "SHOW synchronous_commit"

    with database.write() as tx:
        change = tx.execute(text(question)).scalar()
    with database.write_once() as tx:
        single = tx.execute(text(question)).scalar()
    with database.write_lightly() as tx:
        light = tx.execute(text(question)).scalar()

    assert (change, single, light) == ((2, 2, 1) if database.is_sqlite else ("on", "on", "off"))
