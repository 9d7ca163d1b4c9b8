"""The migrations make what the code expects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from servers.postgres import PostgresServer
from sqlalchemy import inspect, text

from postrider.store.engine import Database
from postrider.store.migrate import HEAD, alembic_config, is_current, migrate
from postrider.store.tables import metadata


def differences(database: Database) -> list[Any]:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": not database.is_sqlite}
        )
        return compare_metadata(context, metadata)


def test_migrations_and_tables_agree(database: Database) -> None:
    """A migrated database has the tables, columns, types and indexes that the code declares."""
    assert differences(database) == []
    with database.engine.connect() as connection:
        found = inspect(connection)
        for table in metadata.sorted_tables:
            declared = {index.name: [c.name for c in index.columns] for index in table.indexes}
            made = {index["name"]: index["column_names"] for index in found.get_indexes(table.name)}
            assert made == declared


def test_partial_indexes_are_partial(database: Database) -> None:
    """The indexes of the hot questions hold only the rows that are asked for."""
    query = (
        "SELECT sql FROM sqlite_master WHERE type = 'index' AND sql LIKE '%WHERE%'"
        if database.is_sqlite
        else "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' AND indexdef LIKE '%WHERE%'"
    )
    with database.read() as tx:
        made = tx.execute(text(query)).scalars().all()

    assert len(made) == sum(
        1
        for table in metadata.sorted_tables
        for index in table.indexes
        if index.dialect_options["sqlite"]["where"] is not None
    )


def test_postgresql_tidies_up_as_the_tables_say(postgresql: Database) -> None:
    """Each table has the storage settings that the code declares for it, and no others."""
    declared = {
        table.name: {name: str(value) for name, value in table.dialect_options["postgresql"]["with"].items()}
        for table in metadata.sorted_tables
        if table.dialect_options["postgresql"]["with"]
    }
    with postgresql.read() as tx:
        rows = tx.execute(text("SELECT relname, reloptions FROM pg_class WHERE relkind = 'r' AND reloptions <> '{}'"))
        made = {row.relname: dict(option.split("=") for option in row.reloptions) for row in rows}

    assert made == declared


def test_a_migration_can_be_taken_back(database: Database) -> None:
    """Down to the first tables and up again, everything is as it was."""
    with database.write() as tx:
        config = alembic_config()
        config.attributes["connection"] = tx
        command.downgrade(config, "0001")
        command.upgrade(config, "head")

    assert differences(database) == []


def test_the_newest_migration_is_the_one_that_is_asked_for() -> None:
    """The code's own word for the head is Alembic's."""
    assert ScriptDirectory.from_config(alembic_config()).get_current_head() == HEAD


def test_migrating_twice_changes_nothing(tmp_path: Path) -> None:
    """Every start may migrate."""
    database = Database(f"sqlite:///{tmp_path / 'x.db'}")
    assert not is_current(database)

    migrate(database)
    migrate(database)

    assert is_current(database)
    database.close()


def test_two_processes_may_migrate_at_once(postgres_server: PostgresServer) -> None:
    """The second waits for the first and finds nothing to do."""
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415

    url = postgres_server.create_database()
    databases = [Database(url), Database(url)]

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(migrate, databases))

    assert all(is_current(database) for database in databases)
    for database in databases:
        database.close()
    postgres_server.drop_database(url)
