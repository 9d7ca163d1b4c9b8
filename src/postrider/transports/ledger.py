"""Which messages a flight holds, by when each must have come to an end, and the outcomes nobody has taken yet."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from postrider.domain.message import Message
from postrider.domain.outcome import Landed, Outcome, Verdict
from postrider.domain.ports import FlightLimits

from .watch import Watch

NEVER_BEGAN = Outcome(Verdict.TEMPORARY, "timeout", "Its turn did not come before the deadline.")
NO_ANSWER = Outcome(Verdict.TEMPORARY, "timeout", "The far side did not answer before the deadline.")


@dataclass(slots=True, eq=False)
class _Held:
    message: Message
    put_at: float
    due: float
    began_at: float | None = None
    put_back: bool = False


class Ledger:
    """Safe to use from any thread; the first outcome of a message counts, a later one is dropped."""

    def __init__(
        self, limits: FlightLimits, wake: Callable[[], None], *, watch: Watch, no_answer: Outcome = NO_ANSWER
    ) -> None:
        self._limits = limits
        self._wake = wake
        self._watch = watch
        self._no_answer = no_answer
        lock = threading.Lock()
        self._outcomes = threading.Condition(lock)
        self._work = threading.Condition(lock)
        # In the order of putting, which is that of the deadlines.
        self._held: dict[UUID, _Held] = {}
        self._waiting: deque[_Held] = deque()
        self._landed: list[Landed] = []
        self._closed = False
        self.unanswered = 0
        """How many messages were sent and had no answer by their deadlines, so far."""

    def room(self) -> int:
        with self._outcomes:
            return 0 if self._closed else max(0, self._limits.max_in_flight - len(self._held))

    def enter(self, messages: Sequence[Message]) -> None:
        """Take messages, whose time begins now."""
        now = time.monotonic()
        due = now + self._limits.timeout.total_seconds()
        with self._outcomes:
            for message in messages:
                held = _Held(message, now, due)
                self._held[message.id] = held
                self._waiting.append(held)
            self._work.notify_all()
        self._watch.mind(self)

    def draw(self, fits: Callable[[Sequence[Message], Message], bool]) -> list[Message]:
        """Take from the head of the waiting what fits beside those taken before it; they count as sent now."""
        with self._outcomes:
            return self._draw(fits)

    def await_draw(self, fits: Callable[[Sequence[Message], Message], bool], *, wait: float) -> list[Message]:
        """Do as `draw`, waiting for the first message; empty after `wait` seconds or once closed."""
        with self._outcomes:
            self._work.wait_for(lambda: bool(self._waiting) or self._closed, wait)
            return self._draw(fits)

    def put_back(self, messages: Iterable[Message]) -> list[Message]:
        """Let messages wait again, before all others, in the order given; each once, and none after `close`.

        Gives those that may not.
        """
        refused = []
        with self._outcomes:
            for message in reversed(list(messages)):
                held = self._mine(message)
                if held is None or held.began_at is None:
                    continue
                if held.put_back or self._closed:
                    refused.append(message)
                    continue
                held.put_back, held.began_at = True, None
                self._waiting.appendleft(held)
        return refused

    def land(self, outcomes: Iterable[tuple[Message, Outcome]]) -> None:
        """Note what became of messages; what is not held (any more) is ignored."""
        now = time.monotonic()
        with self._outcomes:
            count = sum(self._land(message, outcome, now) for message, outcome in outcomes)
        self._tell(count)

    def land_waiting(self, outcome: Outcome, *, put_before: float) -> None:
        """Give all messages that wait to be sent, and did at that time, the same outcome."""
        now = time.monotonic()
        with self._outcomes:
            old = [held.message for held in self._waiting if held.put_at <= put_before]
            count = sum(self._land(message, outcome, now) for message in old)
        self._tell(count)

    def expire(self, now: float) -> None:
        """End what is overdue."""
        with self._outcomes:
            overdue = [held for held in self._held.values() if held.due <= now]
            for held in overdue:
                self.unanswered += held.began_at is not None
                outcome = NEVER_BEGAN if held.began_at is None else self._no_answer
                self._land(held.message, outcome, now)
        self._tell(len(overdue))

    def take(self, wait: float) -> list[Landed]:
        with self._outcomes:
            self._outcomes.wait_for(lambda: bool(self._landed), wait)
            landed, self._landed = self._landed, []
            return landed

    def close(self) -> list[UUID]:
        """Take no more messages; give the ids of those that wait to be sent."""
        with self._outcomes:
            self._closed = True
            ids = [held.message.id for held in self._waiting]
            self._waiting.clear()
            for message_id in ids:
                del self._held[message_id]
            self._work.notify_all()
        self._tell(0)
        return ids

    def holds(self, message: Message) -> bool:
        """Tell whether the message still lacks an outcome."""
        with self._outcomes:
            return self._mine(message) is not None

    def next_due(self) -> float | None:
        with self._outcomes:
            return next((held.due for held in self._held.values()), None)

    def due(self, message: Message) -> float:
        """Tell a message's deadline as a monotonic time; now, when it has an outcome already."""
        with self._outcomes:
            held = self._mine(message)
            return time.monotonic() if held is None else held.due

    @property
    def waiting(self) -> int:
        """How many messages are not sent yet."""
        return len(self._waiting)

    @property
    def closed(self) -> bool:
        return self._closed

    @property
    def empty(self) -> bool:
        return not self._held

    def _mine(self, message: Message) -> _Held | None:
        # A later attempt of the same delivery may be held under the same id.
        held = self._held.get(message.id)
        return held if held is not None and held.message is message else None

    def _draw(self, fits: Callable[[Sequence[Message], Message], bool]) -> list[Message]:
        now, drawn = time.monotonic(), list[Message]()
        while self._waiting and fits(drawn, self._waiting[0].message):
            held = self._waiting.popleft()
            held.began_at = now
            drawn.append(held.message)
        return drawn

    def _land(self, message: Message, outcome: Outcome, now: float) -> bool:
        held = self._mine(message)
        if held is None:
            return False
        del self._held[message.id]
        if held.began_at is None:
            self._waiting.remove(held)
        since = held.put_at if held.began_at is None else held.began_at
        duration = timedelta(seconds=max(0.0, now - since))
        self._landed.append(Landed(message.id, replace(outcome, duration=duration)))
        self._outcomes.notify_all()
        return True

    def _tell(self, count: int) -> None:
        if self._closed and not self._held:
            self._watch.forget(self)
        if count:
            self._wake()
