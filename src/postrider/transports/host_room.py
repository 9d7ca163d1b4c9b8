"""How much may be on its way to one host at once, over all integrations that go there."""

from __future__ import annotations

import threading
from collections.abc import Callable


class HostRoom:
    """Counts what is on its way to a host, and wakes who found it full.

    The cap is a soft one: two flights that look at the same moment may both use what is left.
    """

    def __init__(self, cap: int) -> None:
        self._cap = cap
        self._used = 0
        self._waiting: set[Callable[[], None]] = set()
        self._lock = threading.Lock()

    def left(self, wake: Callable[[], None]) -> int:
        """Tell how much room there is; when there is none, `wake` is called once there is."""
        with self._lock:
            left = self._cap - self._used
            if left <= 0:
                self._waiting.add(wake)
            return max(left, 0)

    def enter(self, count: int) -> None:
        with self._lock:
            self._used += count

    def leave(self, count: int = 1) -> None:
        with self._lock:
            self._used -= count
            if not self._waiting or self._used >= self._cap:
                return
            waiting, self._waiting = self._waiting, set()
        for wake in waiting:
            wake()
