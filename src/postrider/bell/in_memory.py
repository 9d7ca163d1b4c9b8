"""Celery's broker for everything in one process: kombu's, but woken by what is put, where that looks now and then."""

from __future__ import annotations

import threading
from queue import Empty
from typing import Any

from kombu.transport import memory


class News:
    """Tells those who wait that something came; what comes between a look and the wait is not missed."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._count = 0

    def seen(self) -> int:
        """Say how much there was; to be asked before the look."""
        return self._count

    def tell(self) -> None:
        """Wake all who wait."""
        with self._changed:
            self._count += 1
            self._changed.notify_all()

    def wait(self, seen: int, seconds: float | None) -> None:
        """Return once there is more than was seen, or after so many seconds."""
        with self._changed:
            self._changed.wait_for(lambda: self._count != seen, seconds)


NEWS = News()
"""Of the whole process, as kombu's queues are."""


class Channel(memory.Channel):
    """Tells when a message was put."""

    def _put(self, queue: str, message: Any, **options: Any) -> None:
        super()._put(queue, message, **options)
        NEWS.tell()


class Transport(memory.Transport):
    """Waits until it is told."""

    Channel = Channel

    def drain_events(self, connection: Any, timeout: float | None = None, **_: Any) -> None:  # noqa: ARG002 - kombu's
        """Deliver one message; raises TimeoutError when none was there after `timeout` seconds, or a wake."""
        seen = NEWS.seen()
        if self._delivers_one():
            return
        NEWS.wait(seen, timeout)
        if not self._delivers_one():
            raise TimeoutError

    def _delivers_one(self) -> bool:
        channels: Any = self.cycle
        try:
            channels.get(self._deliver)
        except Empty:
            return False
        return True
