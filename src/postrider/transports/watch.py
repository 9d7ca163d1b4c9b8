"""When a deadline has passed: one thread that ends overdue messages even where a flight's own thread is stuck."""

from __future__ import annotations

import threading
import time
from typing import Protocol


class Minded(Protocol):
    """What holds messages that have deadlines."""

    def next_due(self) -> float | None:
        """Tell the monotonic time of the earliest deadline; None when nothing is held."""

    def expire(self, now: float) -> None:
        """End what is overdue; returns at once."""


class Watch:
    """Minds any number of holders with one thread, which lives only while there is something to mind."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._dues: dict[Minded, float] = {}
        self._thread: threading.Thread | None = None

    def mind(self, holder: Minded) -> None:
        """Look after the holder until it is empty; call it after each time something was put in."""
        with self._changed:
            due = holder.next_due()
            if holder in self._dues or due is None:
                return
            self._dues[holder] = due
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="postrider-deadlines", daemon=True)
                self._thread.start()
            self._changed.notify()

    def forget(self, holder: Minded) -> None:
        """Stop looking after a holder that is empty for good."""
        with self._changed:
            if self._dues.pop(holder, None) is not None:
                self._changed.notify()

    def _run(self) -> None:
        while (overdue := self._next_overdue()) is not None:
            for holder in overdue:
                holder.expire(time.monotonic())

    def _next_overdue(self) -> list[Minded] | None:
        """Wait for the next deadline; None, and the end of the thread, when nothing is left to mind."""
        with self._changed:
            while self._dues:
                now = time.monotonic()
                overdue = [holder for holder, due in self._dues.items() if due <= now]
                for holder in overdue:
                    self._renew(holder, now)
                if overdue:
                    return overdue
                self._changed.wait(min(self._dues.values()) - now)
            self._thread = None
            return None

    def _renew(self, holder: Minded, now: float) -> None:
        due = holder.next_due()
        if due is None:
            del self._dues[holder]
        else:
            # What is due now is ended right after this; the moment after it is soon enough to look again.
            self._dues[holder] = max(due, now + 0.01)
