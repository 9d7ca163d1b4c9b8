"""What the statements cost, before and after, and whether that is more than it may."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median

from growth.lap import run_lap
from growth.scene import Scene
from plans import planned

BAR = 1.3
SHORT_MILLISECONDS = 0.5
"""What takes less is not told from noise by its time."""
FEW_PAGES = 200
"""That a list of a hundred rows may look at, which lie apart in a large table, on its way to them too."""
LAPS = 30


@dataclass(frozen=True, slots=True)
class Cost:
    """What a statement, or the few of one function, cost."""

    milliseconds: float
    """The median."""
    pages: int
    """Of a database's shared buffers, by its own plan."""


@dataclass(frozen=True, slots=True)
class Compared:
    """A cost before and after."""

    name: str
    before: Cost
    after: Cost

    @property
    def ratio(self) -> float:
        return self.after.milliseconds / self.before.milliseconds

    @property
    def short(self) -> bool:
        return self.after.milliseconds < SHORT_MILLISECONDS

    @property
    def grows(self) -> bool:
        """Tell whether it takes longer, and looks at more: a machine that is busy makes all take longer."""
        more = self.after.pages > max(self.before.pages * BAR, FEW_PAGES)
        return more and (self.short or self.ratio > BAR)


def measure(scene: Scene, *, laps: int = LAPS) -> dict[str, Cost]:
    """Run so many laps after one that warms up, and one more for the plans."""
    run_lap(scene, _Times().watch)
    times = _Times()
    for _ in range(laps):
        run_lap(scene, times.watch)
    pages = _pages(scene)
    return {name: Cost(median(took) * 1000, pages[name]) for name, took in times.took.items()}


class _Times:
    def __init__(self) -> None:
        self.took: dict[str, list[float]] = {}

    @contextmanager
    def watch(self, name: str) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self.took.setdefault(name, []).append(time.perf_counter() - started)


def _pages(scene: Scene) -> dict[str, int]:
    pages: dict[str, int] = {}
    with planned(scene.database) as found:

        @contextmanager
        def watch(name: str) -> Iterator[None]:
            first = len(found)
            yield
            pages[name] = sum(one.buffers for one in found[first:])

        run_lap(scene, watch)
    return pages


def as_table(compared: list[Compared]) -> str:
    """Write the figures for people, as Markdown."""
    head = ("statement", "ms before", "ms after", "ratio", "pages before", "pages after", "verdict")
    lines = [head, *(_cells(one) for one in compared)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    text = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |" for line in lines
    ]
    return "\n".join([text[0], "|-" + "-|-".join("-" * width for width in widths) + "-|", *text[1:]])


def _cells(one: Compared) -> tuple[str, ...]:
    return (
        one.name,
        f"{one.before.milliseconds:.2f}",
        f"{one.after.milliseconds:.2f}",
        f"{one.ratio:.2f}",
        f"{one.before.pages:,}",
        f"{one.after.pages:,}",
        ("GROWS" if one.grows else "held") + (", by its pages" if one.short else ""),
    )
