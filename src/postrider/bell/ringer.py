"""Rings from a thread of its own, so that a broker that is slow, full or gone never holds up a caller."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from uuid import UUID

import structlog

from .app import DELIVER_TASK, FAN_OUT_TASK, Bell

FAN_OUT = "fan_out"
PACE_SECONDS = 0.01
"""From one look at what is wished to the next."""
HEARD_PACE_SECONDS = 0.05
"""The same when the last look found that who was to be rung for is at work already: each look is a write."""
RING_SIZE = 20
"""How many integrations one message may name."""
SHORTEST_PAUSE, LONGEST_PAUSE = 0.5, 5.0
"""Seconds without a try after the broker failed; what was to be rung meanwhile is found by the sweep."""

log = structlog.get_logger()


class Ringer:
    """Takes wishes at once and rings soon, each bell once however often it was wished."""

    def __init__(self, app: Bell, may_ring: Callable[[set[str]], list[str]]) -> None:
        """`may_ring` gets bells' names and gives those that were not rung a moment ago; it may raise."""
        self._app, self._may_ring = app, may_ring
        self._wishes: set[str] = set()
        self._changed = threading.Condition()
        self._stopping = False
        self._quiet_until = 0.0
        self._next_at = 0.0
        self._pause = SHORTEST_PAUSE
        self._failed = False
        self._thread = threading.Thread(target=self._run, name="ringer", daemon=True)

    def start(self) -> None:
        """Begin to ring."""
        self._thread.start()

    def stop(self, wait: float = 5.0) -> None:
        """Ring what is wished, then end."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join(wait)
        self._app.close()

    def fan_out(self) -> None:
        self._wish({FAN_OUT})

    def deliver(self, integration_ids: Iterable[UUID]) -> None:
        self._wish({str(integration_id) for integration_id in integration_ids})

    def healthy(self) -> bool:
        return not self._failed

    def _wish(self, names: set[str]) -> None:
        with self._changed:
            self._wishes |= names
            self._changed.notify()

    def _run(self) -> None:
        while names := self._next():
            if time.monotonic() < self._quiet_until:
                continue
            try:
                self._ring(self._looked(names))
            except Exception as error:  # noqa: BLE001 - whatever the broker or the database raised, ringing goes on later
                self._rest(error)
            else:
                self._recovered()

    def _next(self) -> set[str]:
        with self._changed:
            self._changed.wait_for(lambda: self._wishes or self._stopping)
            # The first of a stream of wishes is rung at once, the rest together.
            self._changed.wait_for(lambda: self._stopping, max(self._next_at - time.monotonic(), 0))
            names, self._wishes = self._wishes, set()
            self._next_at = time.monotonic() + PACE_SECONDS
            return names

    def _looked(self, names: set[str]) -> list[str]:
        rings = self._may_ring(names)
        if not rings:
            self._next_at = time.monotonic() + HEARD_PACE_SECONDS
        return rings

    def _ring(self, names: list[str]) -> None:
        if FAN_OUT in names:
            self._app.send_task(FAN_OUT_TASK, ignore_result=True)
        integrations = [name for name in names if name != FAN_OUT]
        for start in range(0, len(integrations), RING_SIZE):
            self._app.send_task(DELIVER_TASK, args=(integrations[start : start + RING_SIZE],), ignore_result=True)

    def _rest(self, error: Exception) -> None:
        self._quiet_until = time.monotonic() + self._pause
        if not self._failed:
            log.warning("ring.failed", error=type(error).__name__, pause_seconds=self._pause)
        self._pause = min(self._pause * 2, LONGEST_PAUSE)
        self._failed = True

    def _recovered(self) -> None:
        if self._failed:
            log.info("ring.recovered")
        self._failed, self._pause = False, SHORTEST_PAUSE
