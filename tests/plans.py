"""How the databases run the statements that the product really sends: seen where they leave, not kept in a list."""

from __future__ import annotations

import re
import sqlite3
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from sqlalchemy import event

from postrider.store.engine import Database

_WORTH_A_PLAN = ("SELECT", "WITH", "UPDATE", "INSERT", "DELETE")
_FIRST_WORD = re.compile(r"\s*(\w+)")


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


STEPS = 100
"""Of SQLite's machine: it is asked after each so many."""


@dataclass(frozen=True, slots=True)
class Stepped:
    """A statement, and how many steps SQLite's machine took for it: a few for each row that it looked at."""

    statement: str
    steps: int


@contextmanager
def stepped(database: Database) -> Iterator[list[Stepped]]:
    """Collect the statements that go to SQLite, from any thread, each with its steps.

    Each is run twice: to be counted, which is rolled back, and as it was meant.
    """

    def count(cursor: Any, statement: str, parameters: Any) -> Stepped:
        connection: sqlite3.Connection = cursor.connection
        asked = iter(range(sys.maxsize))
        connection.execute("SAVEPOINT counted")
        connection.set_progress_handler(lambda: next(asked) < 0, STEPS)
        try:
            connection.execute(statement, parameters).fetchall()
        finally:
            connection.set_progress_handler(None, 0)
            connection.execute("ROLLBACK TO counted")
            connection.execute("RELEASE counted")
        return Stepped(statement, next(asked) * STEPS)

    with _heard(database, count) as found:
        yield found


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
