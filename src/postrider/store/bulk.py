"""Many rows in one statement."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Insert, Table, bindparam, func, insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.dialects.postgresql import ARRAY

from .engine import Transaction

Change = Callable[[Any], Mapping[str, ColumnElement[Any]]]
"""Says what becomes of a row that is there; gets the columns of the one that was to be inserted."""


def insert_rows(tx: Transaction, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows that all have the same columns, no two of them equal.

    On PostgreSQL the columns go as arrays in one statement, which is several times faster than a statement a row. What
    is the same in all rows goes once, as most of a delivery is its event's: that takes a third of the time again.
    """
    if not rows:
        return
    if tx.dialect.name == "sqlite" or len(rows) == 1:
        tx.execute(_each(table), list(rows))
        return
    names, varying, values = _apart(rows)
    tx.execute(_together(table, names, varying), values)


def upsert_rows(tx: Transaction, table: Table, rows: Sequence[Mapping[str, Any]], change: Change) -> None:
    """Insert rows of different keys, or change what is there; in one statement on PostgreSQL, as `insert_rows` does.

    `change` is asked once for a table: it is the same function each time.
    """
    if not rows:
        return
    if tx.dialect.name == "sqlite":
        tx.execute(_each_or_change(table, change), list(rows))
        return
    names, varying, values = _apart(rows)
    tx.execute(_together_or_change(table, names, varying, change), values)


def _apart(rows: Sequence[Mapping[str, Any]]) -> tuple[tuple[str, ...], tuple[str, ...], dict[str, Any]]:
    """Give the names of the columns, of those that vary, and the values of all."""
    first, *others = rows
    varying = tuple(name for name, value in first.items() if any(row[name] != value for row in others))
    values = {name: [row[name] for row in rows] if name in varying else value for name, value in first.items()}
    return tuple(first), varying, {f"{name}_": value for name, value in values.items()}


@cache
def _each(table: Table) -> Insert:
    return insert(table)


@cache
def _each_or_change(table: Table, change: Change) -> Insert:
    new = sqlite.insert(table)
    return new.on_conflict_do_update(index_elements=list(table.primary_key), set_=change(new.excluded))


@cache
def _together(table: Table, names: tuple[str, ...], varying: tuple[str, ...]) -> postgresql.Insert:
    """Make the statement once for each way in which rows differ: making it costs more than running it."""
    arrays = [bindparam(f"{name}_", type_=ARRAY(table.c[name].type, dimensions=1)) for name in varying]
    values = {name: bindparam(f"{name}_", type_=table.c[name].type) for name in names if name not in varying}
    if not varying:
        return postgresql.insert(table).from_select(list(names), select(*values.values()))
    unnested = func.unnest(*arrays).table_valued(*varying).render_derived()
    columns: list[ColumnElement[Any]] = [unnested.c[name] if name in varying else values[name] for name in names]
    return postgresql.insert(table).from_select(list(names), select(*columns).select_from(unnested))


@cache
def _together_or_change(
    table: Table, names: tuple[str, ...], varying: tuple[str, ...], change: Change
) -> postgresql.Insert:
    new = _together(table, names, varying)
    return new.on_conflict_do_update(index_elements=list(table.primary_key), set_=change(new.excluded))
