"""How rings reach a worker: two Celery tasks that only say where to look, and a consumer for a thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from .app import DELIVER_TASK, FAN_OUT_TASK, Bell
from .in_memory import NEWS


def bind(bell: Bell, *, fan_out: Callable[[], None], deliver: Callable[[Iterable[str]], None]) -> None:
    """Let rings be heard: `fan_out` for waiting events, `deliver` with the ids of integrations; both return at once."""
    bell.task(name=FAN_OUT_TASK)(fan_out)
    bell.task(name=DELIVER_TASK)(deliver)


class BellThread:
    """A Celery consumer in a thread of this process, for everything in one process."""

    def __init__(self, bell: Bell) -> None:
        self._controller = bell.WorkController(
            app=bell,
            pool_cls="solo",
            concurrency=1,
            without_heartbeat=True,
            without_mingle=True,
            without_gossip=True,
        )
        self._thread = threading.Thread(target=self._controller.start, name="bell", daemon=True)

    def start(self) -> None:
        """Begin to listen for rings."""
        self._thread.start()

    def stop(self) -> None:
        """Listen no more."""
        self._controller.stop()
        # In memory it waits for rings, and looks whether to go on when it was woken.
        NEWS.tell()
        self._thread.join(10)
