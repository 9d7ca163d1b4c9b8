"""Tests that measure time run alone: while one of them does, the other test processes wait.

Every other test holds a shared lock on the room while it runs, one that measures holds the room for itself. All pass
the door one by one, so that who waits for an empty room is not overtaken for ever.
"""

from __future__ import annotations

import fcntl
import tempfile
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

MARK = "alone"


class QuietRoom:
    """One run's locks, shared by its processes through two files."""

    def __init__(self, run: str) -> None:
        folder = Path(tempfile.gettempdir())
        self._paths = [folder / f"postrider-tests-{run}.{name}" for name in ("door", "room")]
        self._door, self._room = (path.open("wb") for path in self._paths)

    @contextmanager
    def entered(self, *, alone: bool) -> Generator[None]:
        """Wait for the room, and hold it; `alone` waits until nobody else is in it."""
        with _locked(self._door, fcntl.LOCK_EX):
            fcntl.flock(self._room, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        try:
            yield
        finally:
            fcntl.flock(self._room, fcntl.LOCK_UN)

    def close(self) -> None:
        for held, path in zip((self._door, self._room), self._paths, strict=True):
            held.close()
            path.unlink(missing_ok=True)


def measures_time(item: pytest.Item) -> bool:
    return item.get_closest_marker(MARK) is not None


def in_good_order(items: Iterable[pytest.Item], long_folders: frozenset[str]) -> list[pytest.Item]:
    """Sort by files: first those that take long, last those with tests that must wait for an empty room."""
    items = list(items)
    last = {item.path for item in items if measures_time(item)}
    return sorted(items, key=lambda item: (item.path in last, item.path.parent.name not in long_folders))


@contextmanager
def _locked(lock: Any, kind: int) -> Generator[None]:
    fcntl.flock(lock, kind)
    try:
        yield
    finally:
        fcntl.flock(lock, fcntl.LOCK_UN)
