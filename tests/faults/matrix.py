"""The fault matrix: what a row is, what it found, and which rows there are."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from faults.grounds import Grounds

FOLDER = Path(__file__).parent
ORDER = (
    *("workers", "brokers", "database", "disk", "endpoints", "neighbours", "backlog"),
    *("other_ways", "clocks", "poison"),
)
"""Of the files in `rows`, for people who read the table."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What became of the events of one row, and which of its promises broke."""

    events: int
    """How many were published and answered with 202."""
    lost: int = 0
    """Deliveries that are owed and neither arrived nor are told of, or that arrived with other bytes."""
    duplicates: int = 0
    """Arrivals that were answered with 2xx though the same delivery had been before."""
    unknown: int = 0
    """Attempts of which nobody knows how they ended: only these may be repeated."""
    recovery: float | None = None
    """Seconds from the fault's end, or from the kill, until things were as they should be."""
    publish_p99: float | None = None
    """Milliseconds; while the fault was on."""
    note: str = ""
    """What the row measured beside that, in a few words."""
    broken: tuple[str, ...] = ()
    """The promises that did not hold, each with its figure; none: the row is green."""


Play = Callable[["Grounds"], Figures]


@dataclass(frozen=True, slots=True)
class Row:
    """One fault."""

    name: str
    """What `--row` takes."""
    fault: str
    """What is broken, for people."""
    play: Play
    long: bool
    """It takes more than a few seconds."""
    needs: str = ""
    """A mark such as `rabbitmq`: the server that has to be installed."""


ROWS: dict[str, Row] = {}
"""By name, in the order of the matrix as far as its files were imported."""


def row(name: str, fault: str, *, long: bool = False, needs: str = "") -> Callable[[Play], Play]:
    """Make a function a row of the matrix: it breaks something and tells what became of the events.

    It never raises for a promise that did not hold: that is what `Figures.broken` tells.
    """

    def enter(play: Play) -> Play:
        ROWS[name] = Row(name, fault, play, long=long, needs=needs)
        return play

    return enter


def assert_green(figures: Figures) -> None:
    """Fail a test with what did not hold, and all the figures."""
    assert not figures.broken, f"did not hold: {'; '.join(figures.broken)}\n{figures}"


def rows_of_files() -> dict[str, Row]:
    """Import the files that hold rows: all of `rows/`, and the tests that bring rows of their own."""
    for name in sorted((path.stem for path in (FOLDER / "rows").glob("*.py")), key=_place):
        importlib.import_module(f"faults.rows.{name}")
    return dict(ROWS)


def _place(name: str) -> tuple[int, str]:
    return (ORDER.index(name) if name in ORDER else len(ORDER), name)


def all_rows() -> dict[str, Row]:
    """Import also the test files of this folder, which may bring rows of their own."""
    rows_of_files()
    for path in sorted(FOLDER.glob("test_*.py")):
        importlib.import_module(f"faults.{path.stem}")
    return dict(ROWS)
