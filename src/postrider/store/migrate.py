"""Bring a database to the shape of the tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import inspect, text

from .engine import Database

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = "0007"
"""The newest migration: what this version of the code works with."""

_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 7_305_113_114  # any number; held in PostgreSQL so that two starting processes do not migrate at once


def migrate(database: Database) -> None:
    """Run the migrations that the database has not had; does nothing when it has had them all."""
    from alembic import command  # noqa: PLC0415 - loading it takes longer than a worker's whole start otherwise

    with database.write() as tx:
        if not database.is_sqlite:
            tx.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        config = alembic_config()
        config.attributes["connection"] = tx
        command.upgrade(config, "head")


def is_current(database: Database) -> bool:
    """Tell whether the database has had every migration, and none that this version does not know."""
    with database.read() as tx:
        if not inspect(tx).has_table("alembic_version"):
            return False
        return tx.execute(text("SELECT version_num FROM alembic_version")).scalars().all() == [HEAD]


def alembic_config() -> Config:
    """Tell Alembic where the migrations are."""
    from alembic.config import Config  # noqa: PLC0415 - as above

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    return config
