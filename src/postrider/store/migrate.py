"""Bring a database to the shape of the tables."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from .engine import Database

_MIGRATIONS = Path(__file__).parent / "migrations"
_LOCK = 7_305_113_114  # any number; held in PostgreSQL so that two starting processes do not migrate at once


def migrate(database: Database) -> None:
    """Run the migrations that the database has not had; does nothing when it has had them all."""
    with database.write() as tx:
        if not database.is_sqlite:
            tx.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
        config = _config()
        config.attributes["connection"] = tx
        command.upgrade(config, "head")


def is_current(database: Database) -> bool:
    """Tell whether the database has had every migration."""
    with database.read() as tx:
        had = MigrationContext.configure(tx).get_current_revision()
    return had == ScriptDirectory.from_config(_config()).get_current_head()


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    return config
