"""How many rings wait: asked of the broker in a thread, so that one that hangs holds up nobody who looks."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import Future
from typing import Any

import structlog

from .app import Bell

log = structlog.get_logger()


class QueueDepths:
    """Asks one question at a time; who comes while it is asked waits for the same answer."""

    def __init__(self, app: Bell) -> None:
        self._app = app
        self._guard = threading.Lock()
        self._asked: Future[dict[str, int] | None] | None = None

    def depths(self, *, timeout_seconds: float) -> Mapping[str, int] | None:
        """Tell how many rings wait in each queue; None when the broker does not answer in time. Never raises."""
        try:
            return self._question().result(timeout_seconds)
        except TimeoutError:
            return None

    def _question(self) -> Future[dict[str, int] | None]:
        with self._guard:
            if self._asked is None or self._asked.done():
                self._asked = Future()
                threading.Thread(target=self._ask, args=(self._asked,), name="queue-depths", daemon=True).start()
            return self._asked

    def _ask(self, asked: Future[dict[str, int] | None]) -> None:
        try:
            with self._app.connection_for_read() as connection:
                found = {queue.name: _depth(connection, queue.name) for queue in self._app.conf.task_queues}
        except Exception as error:  # noqa: BLE001 - whatever the broker's library raised, it did not answer
            log.info("queue_depths.unknown", error=type(error).__name__)
            asked.set_result(None)
        else:
            asked.set_result(found)


def _depth(connection: Any, name: str) -> int:
    # RabbitMQ closes the channel on which it was asked for a queue that is not there.
    channel = connection.channel()
    try:
        return int(channel.queue_declare(queue=name, passive=True).message_count)
    except connection.channel_errors as error:
        # To Redis an empty queue does not exist, and to RabbitMQ one that no worker has listened to.
        if str(getattr(error, "reply_code", "")) == "404":
            return 0
        raise
    finally:
        channel.close()
