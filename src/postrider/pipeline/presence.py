"""A process tells that it is there, so that people can see what runs and what has stopped."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import structlog

from postrider.domain.errors import PostriderError
from postrider.services import Services
from postrider.store import processes
from postrider.store.processes import Process

EVERY_SECONDS = 15.0
STOP_SECONDS = 5.0
"""How long the end of a process waits for a database that takes its time."""

log = structlog.get_logger()


class Presence:
    """A thread that writes now and then; a database that is away is tried again the next time."""

    def __init__(
        self,
        services: Services,
        process: Process,
        *,
        in_flight: Callable[[], int] = lambda: 0,
        every_seconds: float = EVERY_SECONDS,
    ) -> None:
        self._services, self._process = services, process
        self._in_flight, self._every_seconds = in_flight, every_seconds
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="presence", daemon=True)

    def start(self) -> None:
        """Begin to tell."""
        self._thread.start()

    def stop(self) -> None:
        """Tell that it ends; a process that cannot is forgotten later."""
        self._stopping.set()
        if not self._thread.is_alive():
            return
        self._thread.join(STOP_SECONDS)
        if not self._thread.is_alive():
            self._try(self._leave)

    def _run(self) -> None:
        while True:
            self._try(self._tell)
            if self._stopping.wait(self._every_seconds):
                return

    def _try(self, write: Callable[[], None]) -> None:
        try:
            write()
        except PostriderError as error:
            # Others say loudly enough that the database is away.
            log.debug("presence.not_noted", detail=error.detail)
        except Exception:
            log.exception("presence.failed")

    def _tell(self) -> None:
        now = replace(self._process, seen_at=self._services.clock.now(), in_flight=self._in_flight())
        with self._services.database.write_lightly() as tx:
            processes.any_tenant_seen(tx, now)

    def _leave(self) -> None:
        with self._services.database.write_lightly() as tx:
            processes.any_tenant_gone(tx, self._process.id)
