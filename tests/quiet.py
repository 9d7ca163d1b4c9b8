"""Tests that measure time are kept from those that cost it, though several processes run tests at once.

A test marked `alone` runs while no other process runs any. One marked `quiet`, which mostly waits for a deadline, runs
beside others of its kind. All the rest run beside each other. Who waits for an empty room lets the others go on: were
they kept out while it waits, each of their small tests would have to wait for one that measures.
"""

from __future__ import annotations

import fcntl
import tempfile
from collections import Counter
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path

import pytest
from xdist.scheduler import LoadFileScheduling

ALONE, QUIET = "alone", "quiet"


class Room:
    """One run's locks, shared by its processes through two files."""

    def __init__(self, run: str) -> None:
        folder = Path(tempfile.gettempdir())
        self._paths = [folder / f"postrider-tests-{run}.{name}" for name in ("room", "quiet")]
        self._room, self._quiet = (path.open("wb") for path in self._paths)
        """Held shared by those that are in it, each kind in its own; held whole by who wants nobody of a kind there."""

    @contextmanager
    def entered(self, item: pytest.Item) -> Generator[None]:
        """Wait until the test may run beside those that do, and keep away those that may not run beside it."""
        try:
            if item.get_closest_marker(ALONE):
                fcntl.flock(self._room, fcntl.LOCK_EX)
                fcntl.flock(self._quiet, fcntl.LOCK_EX)
            elif item.get_closest_marker(QUIET):
                fcntl.flock(self._room, fcntl.LOCK_EX)
                fcntl.flock(self._quiet, fcntl.LOCK_SH)
                fcntl.flock(self._room, fcntl.LOCK_UN)
            else:
                self._enter_the_noise()
            yield
        finally:
            fcntl.flock(self._quiet, fcntl.LOCK_UN)
            fcntl.flock(self._room, fcntl.LOCK_UN)

    def _enter_the_noise(self) -> None:
        while True:
            # Whoever wants quiet has to have the room whole first, so none can come once it is shared.
            fcntl.flock(self._room, fcntl.LOCK_SH)
            try:
                fcntl.flock(self._quiet, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                fcntl.flock(self._room, fcntl.LOCK_UN)
                fcntl.flock(self._quiet, fcntl.LOCK_EX)
                fcntl.flock(self._quiet, fcntl.LOCK_UN)
            else:
                fcntl.flock(self._quiet, fcntl.LOCK_UN)
                return

    def close(self) -> None:
        for held, path in zip((self._room, self._quiet), self._paths, strict=True):
            held.close()
            path.unlink(missing_ok=True)


def in_good_order(items: Iterable[pytest.Item], long_folders: frozenset[str]) -> list[pytest.Item]:
    """Sort: first the noise, of that the files that take long; then what wants quiet, then what wants to be alone.

    So each kind runs beside its own. Quiet tests stand file by file in turn, so that all processes share in them.
    """
    turns: Counter[Path] = Counter()

    def place(item: pytest.Item) -> tuple[int, int]:
        if item.get_closest_marker(ALONE):
            return (3, 0)
        if item.get_closest_marker(QUIET):
            turns[item.path] += 1
            return (2, turns[item.path])
        return (0 if item.path.parent.name in long_folders else 1, 0)

    return sorted(items, key=place)


class RunsOfFiles(LoadFileScheduling):
    """Gives out together what stands together: tests of one file that follow each other in the order of collection."""

    def __init__(self, config: pytest.Config, log: object) -> None:
        super().__init__(config, log)
        self._runs: dict[str, str] = {}

    def add_node_collection(self, node: object, collection: Sequence[str]) -> None:
        if not self._runs:
            for number, (file, tests) in enumerate(groupby(collection, lambda test: test.split("::", 1)[0])):
                self._runs |= dict.fromkeys(tests, f"{file} {number}")
        super().add_node_collection(node, collection)

    def _split_scope(self, nodeid: str) -> str:
        return self._runs[nodeid]
