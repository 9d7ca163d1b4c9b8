"""How rings reach a worker: the two Celery tasks, and a consumer in a thread for `postrider up`."""

from __future__ import annotations

import threading

from celery import Celery

from postrider.bell.app import DELIVER_TASK, FAN_OUT_TASK
from postrider.runtime import Worker


def bind(celery: Celery, worker: Worker) -> None:
    """Let rings reach the worker: a task only names where to look, and returns."""
    celery.task(name=FAN_OUT_TASK)(worker.heard_fan_out)
    celery.task(name=DELIVER_TASK)(worker.heard_deliver)


class BellThread:
    """A Celery consumer in a thread of this process, for `postrider up`."""

    def __init__(self, celery: Celery) -> None:
        self._controller = celery.WorkController(
            app=celery,
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
        self._thread.join(10)
