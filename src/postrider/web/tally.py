"""Counts what passes, by whatever it is counted for; processes that share a Redis count together.

No request waits for Redis: each process counts by itself and a thread adds the counts up, several times a second. So a
sick Redis refuses and delays nobody, each process then counts alone; and in good times processes together may let
through what comes within one such turn more.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass

import structlog
from limits.errors import StorageError
from limits.storage import RedisStorage

from postrider.domain.quota import Quota, Standing, ask

ADD_UP_SECONDS = 0.1
SICK_SECONDS = 5.0
"""How long a storage that failed is left alone."""
SOCKET_SECONDS = 1.0
MOST_COUNTED = 50_000

log = structlog.get_logger()


@dataclass(slots=True)
class _Count:
    window: int
    before: int = 0
    now: int = 0
    unsaid: int = 0
    """Of `now`, what the storage has not been told."""
    is_new: bool = True
    """What others counted in the window before was not asked yet."""


class Tally:
    """Any number of windows of one quota; safe to use from any thread, bounded in memory."""

    def __init__(
        self,
        quota: Quota,
        *,
        shared: RedisStorage | None = None,
        most: int = MOST_COUNTED,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Take where counts are added up (None: nowhere) and a clock that all processes share."""
        self._quota = quota
        self._shared = shared
        self._most = most
        self._clock = clock
        self._counts: dict[Hashable, _Count] = {}
        self._unsaid: set[Hashable] = set()
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._adder: threading.Thread | None = None

    def take(self, key: Hashable) -> Standing:
        """Let one more pass, or not; one that may not pass is not counted."""
        with self._lock:
            count, elapsed = self._current(key)
            standing = ask(self._quota, before=count.before, counted=count.now, elapsed=elapsed)
            if standing.allowed:
                count.now += 1
                if self._shared is not None:
                    count.unsaid += 1
                    self._unsaid.add(key)
                    self._start()
            return standing

    def look(self, key: Hashable) -> Standing:
        """Tell what `take` would say, and count nothing."""
        with self._lock:
            count = self._counts.get(key)
            window, elapsed = self._now()
            before, now = (0, 0) if count is None else _moved(count, window)
            return ask(self._quota, before=before, counted=now, elapsed=elapsed)

    def close(self) -> None:
        """End the adding up."""
        self._over.set()
        if self._adder is not None:
            self._adder.join(SOCKET_SECONDS * 2)

    def __len__(self) -> int:
        return len(self._counts)

    def _now(self) -> tuple[int, float]:
        window, elapsed = divmod(self._clock(), self._quota.seconds)
        return int(window), elapsed

    def _current(self, key: Hashable) -> tuple[_Count, float]:
        window, elapsed = self._now()
        count = self._counts.get(key)
        if count is None:
            if len(self._counts) >= self._most:
                del self._counts[next(iter(self._counts))]
            count = self._counts[key] = _Count(window)
        elif count.window != window:
            before, now = _moved(count, window)
            count.window, count.before, count.now, count.unsaid, count.is_new = window, before, now, 0, True
        return count, elapsed

    def _start(self) -> None:
        if self._adder is None:
            self._adder = threading.Thread(target=self._add_up_for_ever, name="tally", daemon=True)
            self._adder.start()

    def _add_up_for_ever(self) -> None:
        pause = ADD_UP_SECONDS
        while not self._over.wait(pause):
            try:
                self._add_up()
            except StorageError as error:
                if pause != SICK_SECONDS:
                    log.warning("tally.alone", reason=type(error.storage_error).__name__, seconds=SICK_SECONDS)
                pause = SICK_SECONDS
            else:
                pause = ADD_UP_SECONDS

    def _add_up(self) -> None:
        with self._lock:
            keys, self._unsaid = list(self._unsaid), set()
        for at, key in enumerate(keys):
            try:
                self._add(key)
            except StorageError:
                with self._lock:
                    self._unsaid.update(keys[at:])
                raise

    def _add(self, key: Hashable) -> None:
        storage = self._shared
        with self._lock:
            count = self._counts.get(key)
            if storage is None or count is None:
                return
            window, amount, is_new = count.window, count.unsaid, count.is_new
            count.unsaid, count.is_new = 0, False
        name = f"{self._quota.amount}:{self._quota.seconds}:{key}"
        try:
            total = storage.incr(f"{name}:{window}", self._quota.seconds * 2, amount=amount)
            before = storage.get(f"{name}:{window - 1}") if is_new else 0
        except StorageError:
            with self._lock:
                if count.window == window:
                    count.unsaid, count.is_new = count.unsaid + amount, is_new
            raise
        with self._lock:
            if count.window == window:
                count.now = max(count.now, total + count.unsaid)
                count.before = max(count.before, before)


def _moved(count: _Count, window: int) -> tuple[int, int]:
    """Give what a count says in a later window: the last one's number, and this one's."""
    if count.window == window:
        return count.before, count.now
    return (count.now if count.window == window - 1 else 0), 0
