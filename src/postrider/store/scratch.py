"""A database for a while, beside the configured one on the same server: `postrider bench` leaves no trace."""

from __future__ import annotations

import secrets
import sqlite3
from contextlib import suppress
from ipaddress import ip_address

from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import DBAPIError

from postrider.domain.errors import NotPermitted, Unavailable

from .engine import Database

PREFIX = "postrider_bench_"


def create(url: str) -> str:
    """Create an empty PostgreSQL database on the server of `url`, by its user; give the URL of the new one.

    Raises NotPermitted when the user may not create databases, Unavailable when the server does not answer.
    """
    name = PREFIX + secrets.token_hex(6)
    _administer(url, f'CREATE DATABASE "{name}" TEMPLATE template0')
    return make_url(url).set(database=name).render_as_string(hide_password=False)


def drop(url: str, *, scratch_url: str) -> None:
    """Drop what `create` made of `url`, cutting off whoever is still connected to it."""
    name = make_url(scratch_url).database or ""
    if not name.startswith(PREFIX):
        raise ValueError(f"{name!r} was not made by `create`")
    _administer(url, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def is_postgresql(url: str) -> bool:
    """Tell whether a URL is one of PostgreSQL."""
    return make_url(url).get_backend_name() == "postgresql"


def describe(database: Database) -> str:
    """Say which database it is, where, and how much it does to keep a commit; without a user or a password."""
    if database.is_sqlite:
        return f"SQLite {sqlite3.sqlite_version}, synchronous=FULL"
    with database.read() as tx:
        version, fsync, commit = (
            tx.execute(text(f"SHOW {name}")).scalar_one() for name in ("server_version", "fsync", "synchronous_commit")
        )
    url = database.url
    return f"PostgreSQL {version} at {url.host or 'a socket'}, fsync {fsync}, synchronous_commit {commit}"


def local_backend(database: Database) -> int | None:
    """Give the process id that the server knows itself by, on a connection that is kept; None if it is elsewhere."""
    if database.is_sqlite or not _is_here(database.url.host):
        return None
    with database.read() as tx:
        pid: int = tx.execute(text("SELECT pg_backend_pid()")).scalar_one()
    return pid


def _is_here(host: str | None) -> bool:
    # Without a host, or with a folder in its place, it is a socket of this machine.
    return not host or host == "localhost" or host.startswith("/") or _is_loopback(host)


def _is_loopback(host: str) -> bool:
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return False


def _administer(url: str, statement: str) -> None:
    engine = create_engine(url, isolation_level="AUTOCOMMIT", connect_args={"connect_timeout": 5})
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql(statement)
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) == "42501":  # insufficient_privilege
            raise NotPermitted(
                "the user of the database URL may not create databases, and the bench needs one of its own; "
                "let it (`ALTER ROLE … CREATEDB`), or give the bench another user's URL"
            ) from error
        raise Unavailable(f"the database server refused: {error.orig}") from error
    finally:
        engine.dispose()
