"""Tests that measure time are kept from those that cost it, though several processes run tests at once.

A test marked `alone` runs while no other process runs any. One marked `quiet`, which mostly waits for a deadline, runs
beside others of its kind. All the rest run beside each other. Who waits for an empty room lets the others go on: were
they kept out while it waits, each of their small tests would have to wait for one that measures.
"""

from __future__ import annotations

import fcntl
import tempfile
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path

import pytest

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


def measures_time(item: pytest.Item) -> bool:
    return any(item.get_closest_marker(mark) is not None for mark in (ALONE, QUIET))


def in_good_order(items: Iterable[pytest.Item], long_folders: frozenset[str]) -> list[pytest.Item]:
    """Sort by files: first those that take long, last those with tests that must wait for an empty room."""
    items = list(items)
    last = {item.path for item in items if measures_time(item)}
    return sorted(items, key=lambda item: (item.path in last, item.path.parent.name not in long_folders))
