"""What came to a far side of the bench, when, and how long after it was sent."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

from .measured import Command


class Arrivals:
    """What came since the last reset; written by the loop alone, read from any thread."""

    def __init__(self) -> None:
        self._first_seen: dict[bytes, int] = {}
        self._took: list[int] = []
        self._count = 0
        self._awaited = 1
        self._reached = threading.Event()
        self.timed = False
        """Whether to look for the moment of sending in what comes."""

    def commands(self) -> dict[str, Command]:
        """Give what whoever started the process may ask."""
        return {"reset": self.reset, "wait": self.wait, "ids": self.ids, "took": self.took}

    def add(self, message_id: bytes) -> None:
        """Note a message by its `webhook-id`."""
        self._count += 1
        self._first_seen.setdefault(message_id, time.monotonic_ns())
        if len(self._first_seen) == self._awaited:
            self._reached.set()

    def add_timed(self, message_id: bytes, sent_ns: int) -> None:
        """Note a message and, where the moment of its sending is known and it is new, how long it took."""
        if sent_ns and message_id not in self._first_seen:
            self._took.append(time.monotonic_ns() - sent_ns)
        self.add(message_id)

    def reset(self, *, timed: bool = False) -> Mapping[str, Any]:
        """Forget what came."""
        self._first_seen, self._took, self._count, self.timed = {}, [], 0, timed
        return self._told()

    def wait(self, *, messages: int, seconds: float) -> Mapping[str, Any]:
        """Answer once so many different messages came, or `seconds` went by."""
        self._reached.clear()
        self._awaited = messages
        if len(self._first_seen) < messages:
            self._reached.wait(seconds)
        return self._told()

    def ids(self) -> Mapping[str, Any]:
        """Name the messages that came."""
        return {"ids": [message_id.decode("latin-1") for message_id in list(self._first_seen)]}

    def took(self) -> Mapping[str, Any]:
        """Tell how many nanoseconds each took that said when it was sent, in the order of coming."""
        return {"took": list(self._took)}

    def _told(self) -> Mapping[str, Any]:
        stamps = list(self._first_seen.values())
        return {
            "requests": self._count,
            "messages": len(stamps),
            "first_ns": stamps[0] if stamps else None,
            "last_ns": stamps[-1] if stamps else None,
        }
