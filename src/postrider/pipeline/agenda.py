"""Whose turn is it? The drains that want to be served, each by one thread at a time, in the order of asking."""

from __future__ import annotations

import heapq
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable
from itertools import count
from typing import Generic, TypeVar

Item = TypeVar("Item", bound=Hashable)

FIRST_IN_A_ROW = 4
"""After so many turns of items that go first one of the others has its turn."""


class Agenda(Generic[Item]):
    """A fair queue in which an item stands at most once, with appointments; some items go before the others."""

    def __init__(
        self, *, goes_first: Callable[[Item], bool] = lambda _: False, others_at_once: int | None = None
    ) -> None:
        """`goes_first` is asked when an item asks for its turn; it must not block.

        Of the others at most `others_at_once` are served at a time: threads that are busy with them are in the way of
        those that go first, who wait for the interpreter's lock behind each.
        """
        self._changed = threading.Condition()
        self._goes_first, self._others_at_once = goes_first, others_at_once
        self._first: deque[Item] = deque()
        self._ready: deque[Item] = deque()
        self._first_in_a_row = 0
        self._queued: set[Item] = set()
        self._served: set[Item] = set()
        self._others: set[Item] = set()
        """Those of the served that do not go first."""
        self._again: set[Item] = set()
        self._appointments: list[tuple[float, int, Item]] = []
        self._moments: dict[Item, float] = {}
        self._number = count()
        self._closed = False

    def add(self, item: Item) -> None:
        """Ask for a turn; one that is being served gets another after it. Never blocks."""
        with self._changed:
            self._add(item)

    def add_at(self, item: Item, moment: float) -> None:
        """Ask for a turn at a moment of the monotonic clock; of several such wishes the earliest counts."""
        with self._changed:
            if self._moments.get(item, math.inf) <= moment:
                return
            self._moments[item] = moment
            heapq.heappush(self._appointments, (moment, next(self._number), item))
            self._changed.notify()

    def take(self) -> Item | None:
        """Wait for the next item; None when the agenda is closed. `done` must follow."""
        with self._changed:
            while not self._closed:
                self._promote(time.monotonic())
                if self._first or self._others_may():
                    item = self._next()
                    self._queued.discard(item)
                    self._served.add(item)
                    return item
                self._changed.wait(self._until_next())
            return None

    def done(self, item: Item) -> None:
        """End an item's turn."""
        with self._changed:
            self._served.discard(item)
            if item in self._others:
                self._others.discard(item)
                self._changed.notify()
            if item in self._again:
                self._again.discard(item)
                self._add(item)

    def free(self, item: Item) -> bool:
        """Tell whether an item neither waits nor is served, so that it may be thrown away."""
        with self._changed:
            return item not in self._queued and item not in self._served

    def quiet(self) -> bool:
        """Tell whether nobody waits and nobody is served."""
        with self._changed:
            return not self._queued and not self._served

    def close(self) -> None:
        """Send every waiting thread home."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _add(self, item: Item) -> None:
        if self._closed:
            return
        if item in self._served:
            self._again.add(item)
        elif item not in self._queued:
            self._queued.add(item)
            (self._first if self._goes_first(item) else self._ready).append(item)
            self._changed.notify()

    def _others_may(self) -> bool:
        return bool(self._ready) and (self._others_at_once is None or len(self._others) < self._others_at_once)

    def _next(self) -> Item:
        if self._first and (not self._others_may() or self._first_in_a_row < FIRST_IN_A_ROW):
            self._first_in_a_row += 1
            return self._first.popleft()
        self._first_in_a_row = 0
        item = self._ready.popleft()
        self._others.add(item)
        return item

    def _promote(self, now: float) -> None:
        while self._appointments and self._appointments[0][0] <= now:
            moment, _, item = heapq.heappop(self._appointments)
            if self._moments.get(item) == moment:
                del self._moments[item]
                self._add(item)

    def _until_next(self) -> float | None:
        return max(self._appointments[0][0] - time.monotonic(), 0) if self._appointments else None
