"""A flight of HTTP requests: one for each message, many under way at once, no thread of its own."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Protocol
from uuid import UUID

from postrider.domain.message import Message
from postrider.domain.outcome import Landed, Outcome, Verdict
from postrider.domain.ports import FlightLimits

from .host_room import HostRoom
from .http import HttpEngine
from .http_failure import HttpFailure
from .http_message import Answer, Request

STOPPED = Outcome(Verdict.UNKNOWN, "stopped", "The worker stopped before an answer came.")


class Dialogue(Protocol):
    """How one type of integration speaks HTTP."""

    def request(self, message: Message) -> Request:
        """Say what is sent for a message."""

    def outcome(self, answer: Answer) -> Outcome:
        """Say what an answer means; the flight adds the duration."""


class Exchange(Protocol):
    """Gets the answer to a request, on the engine's loop; raises HttpFailure."""

    def __call__(self, request: Request, *, seconds: float) -> Awaitable[Answer]: ...


class HttpFlight:
    """Messages on their way to one host, each in a request of its own."""

    def __init__(
        self,
        engine: HttpEngine,
        limits: FlightLimits,
        dialogue: Dialogue,
        *,
        host: HostRoom,
        wake: Callable[[], None],
        exchange: Exchange | None = None,
        written_aside: bool = False,
    ) -> None:
        """Take how an answer is got where that needs more than one request (the engine's way when None), and whether
        requests can take long to make: then a thread makes them, one at a time.
        """
        self._engine = engine
        self._exchange = exchange or engine.exchange
        self._cap = limits.max_in_flight
        self._seconds = limits.timeout.total_seconds()
        self._dialogue = dialogue
        self._host = host
        self._wake = wake
        self._waiting: deque[tuple[Message, float]] = deque()
        # One at a time, so that an integration with many messages leaves the thread to others in between.
        self._desk = asyncio.Lock() if written_aside else None
        self._landed: deque[Landed] = deque()
        self._news = threading.Event()
        self._lock = threading.Lock()
        self._in_flight = 0
        self._closed = False

    def room(self) -> int:
        if self._closed:
            return 0
        own = self._cap - self._in_flight
        return min(own, self._host.left(self._wake)) if own > 0 else 0

    def put(self, messages: Sequence[Message]) -> None:
        if self._closed:
            raise RuntimeError("this flight was closed")
        until = time.monotonic() + self._seconds
        with self._lock:
            self._in_flight += len(messages)
        self._host.enter(len(messages))
        self._waiting.extend((message, until) for message in messages)
        # One call for all: waking the loop costs as much as a good part of a request.
        self._engine.call(self._begin)

    def take(self, wait: float) -> list[Landed]:
        until = time.monotonic() + wait
        while not (landed := self._drain()):
            left = until - time.monotonic()
            if left <= 0 or not self._news.wait(left):
                return self._drain()
        return landed

    def _drain(self) -> list[Landed]:
        # Cleared before the look, so that what lands in between is either seen now or told again.
        self._news.clear()
        return [self._landed.popleft() for _ in range(len(self._landed))]

    def close(self) -> list[UUID]:
        self._closed = True
        unsent: list[UUID] = []
        # Each message is taken out once, here or by the loop; what the loop has, ends by its deadline.
        while (next_one := self._next()) is not None:
            unsent.append(next_one[0].id)
        self._leave(len(unsent))
        return unsent

    def _next(self) -> tuple[Message, float] | None:
        try:
            return self._waiting.popleft()
        except IndexError:
            return None

    def _begin(self) -> None:
        while (next_one := self._next()) is not None:
            self._engine.spawn(self._send(*next_one))

    async def _send(self, message: Message, until: float) -> None:
        began, outcome = time.monotonic(), STOPPED
        try:
            outcome = await self._outcome(message, seconds=max(until - began, 0.001))
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever went wrong, the message must not be lost sight of
            outcome = Outcome(
                Verdict.TEMPORARY, "internal_error", f"The request failed inside Postrider ({type(error).__name__})."
            )
        finally:
            self._land(message, outcome, timedelta(seconds=time.monotonic() - began))

    async def _outcome(self, message: Message, *, seconds: float) -> Outcome:
        until = time.monotonic() + seconds
        try:
            request = await self._request(message, seconds=seconds)
            answer = await self._exchange(request, seconds=max(until - time.monotonic(), 0.001))
        except HttpFailure as failure:
            verdict = Verdict.PERMANENT if failure.permanent else Verdict.TEMPORARY
            return Outcome(verdict, failure.error, failure.detail)
        return self._dialogue.outcome(answer)

    async def _request(self, message: Message, *, seconds: float) -> Request:
        if self._desk is None:
            return self._dialogue.request(message)
        try:
            async with asyncio.timeout(seconds), self._desk:
                return await self._engine.aside(self._dialogue.request, message)
        except TimeoutError:
            raise HttpFailure("not_written", f"The request could not be made within {seconds:g} seconds.") from None

    def _land(self, message: Message, outcome: Outcome, duration: timedelta) -> None:
        self._landed.append(Landed(message.id, replace(outcome, duration=duration)))
        self._leave(1)
        if not self._news.is_set():
            self._news.set()
            self._wake()

    def _leave(self, count: int) -> None:
        with self._lock:
            self._in_flight -= count
        self._host.leave(count)
