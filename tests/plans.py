"""How the databases run the statements that the product really sends: seen where they leave, not kept in a list."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from sqlalchemy import event

from postrider.store.engine import Database
from postrider.store.tables import metadata

_WORTH_A_PLAN = ("SELECT", "WITH", "UPDATE", "INSERT", "DELETE")
_FIRST_WORD = re.compile(r"\s*(\w+)")
_SCANNED = re.compile(r"SCAN (?P<name>\w+)(?: USING (?:COVERING )?INDEX (?P<index>\w+))?")
_PARTIAL = {
    index.name
    for table in metadata.sorted_tables
    for index in table.indexes
    if index.dialect_options["sqlite"]["where"] is not None
}


@dataclass(frozen=True, slots=True)
class Planned:
    """A statement, and what PostgreSQL did for it."""

    statement: str
    root: dict[str, Any]

    @property
    def buffers(self) -> int:
        """How many pages were looked at, wherever they lay."""
        return int(self.root["Shared Hit Blocks"] + self.root["Shared Read Blocks"])

    def rows_looked_at(self) -> dict[str, int]:
        """Tell of each table and index how many rows one of its scans looked at, and mostly threw away, at the most."""
        found: dict[str, int] = {}
        for node in _nodes(self.root):
            name = node.get("Relation Name") or node.get("Index Name")
            if name and "Scan" in node["Node Type"]:
                found[name] = max(found.get(name, 0), _looked_at(node))
        return found


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for inner in node.get("Plans", ()):
        yield from _nodes(inner)


def _looked_at(node: dict[str, Any]) -> int:
    thrown_away = sum(node.get(name, 0) for name in ("Rows Removed by Filter", "Rows Removed by Index Recheck"))
    return round((node["Actual Rows"] + thrown_away) * node["Actual Loops"])


BY_INDEX = ("SET LOCAL enable_seqscan = off", "SET LOCAL random_page_cost = 1")
"""Has an index used wherever there is one that helps: of a table that is small, reading all may be quicker."""


@contextmanager
def planned(database: Database, *, prepare: Sequence[str] = ()) -> Iterator[list[Planned]]:
    """Collect the statements that go to PostgreSQL, from any thread, each with its plan.

    Each is run twice: for its plan, which is rolled back with what `prepare` has set, and as it was meant.
    """

    def explain(cursor: Any, statement: str, parameters: Any) -> Planned:
        connection: psycopg.Connection[Any] = cursor.connection
        with connection.transaction(force_rollback=True):
            for setting in prepare:
                connection.execute(setting.encode())
            question = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}"
            ((plan,),) = connection.execute(question.encode(), parameters, prepare=False).fetchall()
        return Planned(statement, plan[0]["Plan"])

    with _heard(database, explain) as found:
        yield found


@dataclass(frozen=True, slots=True)
class Scanned:
    """A statement, and the tables that SQLite walks over for it from end to end."""

    statement: str
    tables: tuple[str, ...]


@contextmanager
def scanned(database: Database) -> Iterator[list[Scanned]]:
    """Collect the statements that go to SQLite, from any thread, each with what it scans."""

    def explain(cursor: Any, statement: str, parameters: Any) -> Scanned:
        lines = cursor.connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
        return Scanned(statement, tuple(_scans(statement, [str(line[-1]) for line in lines])))

    with _heard(database, explain) as found:
        yield found


def _scans(statement: str, lines: list[str]) -> Iterator[str]:
    """Name the tables that are walked over; to walk over a partial index is to look at what it holds."""
    for line in lines:
        if (scan := _SCANNED.match(line)) and scan["index"] not in _PARTIAL:
            alias = re.search(rf"\b(\w+) (?:AS )?{scan['name']}\b", statement)
            yield alias[1] if alias and alias[1] in metadata.tables else scan["name"]


Found = Any


@contextmanager
def _heard(database: Database, explain: Callable[[Any, str, Any], Found]) -> Iterator[list[Found]]:
    found: list[Found] = []
    failures: list[Exception] = []
    guard = threading.Lock()

    def hear(_: Any, cursor: Any, statement: str, parameters: Any, __: Any, executemany: bool) -> None:  # noqa: FBT001
        first = _FIRST_WORD.match(statement)
        if executemany or first is None or first[1].upper() not in _WORTH_A_PLAN:
            return
        try:
            told = explain(cursor, statement, parameters)
        except Exception as error:  # noqa: BLE001 - raised below: here it would be the product's
            failures.append(error)
            return
        with guard:
            found.append(told)

    engines = {database.engine, database._lightly}
    for engine in engines:
        event.listen(engine, "before_cursor_execute", hear)
    try:
        yield found
    finally:
        for engine in engines:
            event.remove(engine, "before_cursor_execute", hear)
    if failures:
        raise failures[0]
