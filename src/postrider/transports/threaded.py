"""Flights for transports that can only send and wait: each owns a few threads, which live while there is work."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from uuid import UUID

import structlog

from postrider.domain.message import Message
from postrider.domain.outcome import Landed, Outcome, Verdict
from postrider.domain.ports import FlightLimits

from .ledger import Ledger
from .watch import Watch

log = structlog.get_logger()

IDLE_SECONDS = 10.0
"""A thread without work ends after this long."""

Send = Callable[[Sequence[Message], float], Iterable[tuple[UUID, Outcome]]]
"""Send messages within so many seconds and tell what became of each; may block, must not raise."""

Fits = Callable[[Sequence[Message], Message], bool]
"""Tell whether a message may go in one call with those drawn before it."""


def one_by_one(drawn: Sequence[Message], _: Message) -> bool:
    """Let each message have a call of its own."""
    return not drawn


class ThreadedFlight:
    """A flight over a blocking `send`, with up to `threads` calls at once.

    Outcomes are there at the deadline even when a call is stuck; what a stuck call tells later is dropped.
    """

    def __init__(
        self,
        send: Send,
        limits: FlightLimits,
        wake: Callable[[], None],
        *,
        watch: Watch,
        fits: Fits = one_by_one,
        threads: int = 1,
    ) -> None:
        self._send = send
        self._fits = fits
        self._most_threads = threads
        self._ledger = Ledger(limits, wake, watch=watch)
        self._lock = threading.Lock()
        self._threads: set[threading.Thread] = set()
        self._busy: set[threading.Thread] = set()

    def room(self) -> int:
        return self._ledger.room()

    def put(self, messages: Sequence[Message]) -> None:
        self._ledger.enter(messages)
        self._hire()

    def take(self, wait: float) -> list[Landed]:
        return self._ledger.take(wait)

    def close(self) -> list[UUID]:
        ids = self._ledger.close()
        with self._lock:
            idle = self._threads - self._busy
        for thread in idle:
            thread.join(1.0)
        return ids

    def _hire(self) -> None:
        """Start one more thread when messages wait and no thread is free for them."""
        with self._lock:
            free = len(self._threads) - len(self._busy)
            if self._ledger.waiting == 0 or free > 0 or len(self._threads) >= self._most_threads:
                return
            thread = threading.Thread(target=self._work, name="postrider-flight", daemon=True)
            self._threads.add(thread)
            thread.start()

    def _work(self) -> None:
        while batch := self._ledger.await_draw(self._fits, wait=IDLE_SECONDS):
            self._mark(busy=True)
            self._hire()
            self._ledger.land(self._outcomes(batch))
            self._mark(busy=False)
        with self._lock:
            self._threads.discard(threading.current_thread())
        # Something may have been put in after the last look, counting on this thread.
        self._hire()

    def _mark(self, *, busy: bool) -> None:
        with self._lock:
            (self._busy.add if busy else self._busy.discard)(threading.current_thread())

    def _outcomes(self, batch: Sequence[Message]) -> list[tuple[Message, Outcome]]:
        told: dict[UUID, Outcome] = {}
        seconds = max(0.0, self._ledger.due(batch[0]) - time.monotonic())
        try:
            told.update(self._send(batch, seconds))
        except Exception as error:  # noqa: BLE001 - a transport's mistake must not end the thread or lose a message
            # Without the traceback: its frames hold credentials.
            log.error("transport.failed", error=type(error).__name__)  # noqa: TRY400
        silence = Outcome(Verdict.TEMPORARY, "internal_error", "The transport told nothing about this message.")
        return [(message, told.get(message.id, silence)) for message in batch]


def batches_within(count: int, *, budget: int, weigh: Callable[[Message], int]) -> Fits:
    """Make the rule for calls of up to `count` messages that weigh no more than `budget` together."""

    def fits(drawn: Sequence[Message], message: Message) -> bool:
        if not drawn:
            return True
        return len(drawn) < count and sum(map(weigh, drawn)) + weigh(message) <= budget

    return fits
