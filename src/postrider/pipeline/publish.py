"""Storing what happened: requests that wait together share one commit, and an answer means a committed row."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import structlog

from postrider.domain.errors import Conflict, PostriderError, Unavailable
from postrider.domain.event import Event
from postrider.services import Services
from postrider.store import events, idempotency
from postrider.store.engine import Transaction

PACE_SECONDS = 0.004
"""From the beginning of one commit to that of the next, so that those who publish at the same time share them."""
GROUP_EVENTS = 1_000
GROUP_BYTES = 16 * 1024 * 1024
WAITING_BYTES = 256 * 1024 * 1024
"""How much may wait for its commit; beyond it publishers are told to come again."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event as its publisher gives it."""

    event_type: str
    payload: bytes
    attributes: Mapping[str, str] = field(default_factory=dict)
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True)
class Publishing:
    """The events of one request: all are stored, or none."""

    tenant_id: UUID
    events: tuple[NewEvent, ...]
    idempotency_key: str | None
    body_hash: bytes
    """The hash of the whole request, which the request's key stands for."""


@dataclass(frozen=True, slots=True)
class Published:
    """An event that is stored."""

    id: UUID
    event_type: str
    created_at: datetime


Answer = tuple[Published, ...] | Conflict


@dataclass(slots=True)
class _Waiting:
    publishing: Publishing
    future: Future[tuple[Published, ...]]
    size: int


class Publisher:
    """One thread that commits; every request waits for its group's commit."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._queue: deque[_Waiting] = deque()
        self._waiting_bytes = 0
        self._next_at = 0.0
        self._changed = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="publisher", daemon=True)

    def start(self) -> None:
        """Begin to store."""
        self._thread.start()

    def stop(self) -> None:
        """Store what is waiting, then end."""
        with self._changed:
            self._stopping = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join()

    def submit(self, publishing: Publishing) -> Future[tuple[Published, ...]]:
        """Store the events of one request; the future holds them once they are committed.

        A key that was used before gives the first events again for the same body, and Conflict for another. The future
        raises Unavailable when the database does not take them: then nothing is stored.
        """
        size = sum(len(event.payload) for event in publishing.events)
        waiting = _Waiting(publishing, Future(), size)
        with self._changed:
            if self._stopping or (self._waiting_bytes + size > WAITING_BYTES and self._queue):
                waiting.future.set_exception(Unavailable("too much is waiting to be stored; try again"))
                return waiting.future
            self._queue.append(waiting)
            self._waiting_bytes += size
            self._changed.notify()
        return waiting.future

    def _run(self) -> None:
        while group := self._next_group():
            self._store(group)

    def _next_group(self) -> list[_Waiting]:
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._stopping)
            # The first of a stream is stored at once, the rest together: a commit costs as much as many events.
            self._changed.wait_for(lambda: self._stopping, max(self._next_at - time.monotonic(), 0))
            self._next_at = time.monotonic() + PACE_SECONDS
            group: list[_Waiting] = []
            events_left, bytes_left = GROUP_EVENTS, GROUP_BYTES
            while self._queue and (
                not group
                or (len(self._queue[0].publishing.events) <= events_left and self._queue[0].size <= bytes_left)
            ):
                waiting = self._queue.popleft()
                group.append(waiting)
                events_left -= len(waiting.publishing.events)
                bytes_left -= waiting.size
                self._waiting_bytes -= waiting.size
            return group

    def _store(self, group: list[_Waiting]) -> None:
        group = [waiting for waiting in group if waiting.future.set_running_or_notify_cancel()]
        if not group:
            return
        try:
            answers = store_group(self._services, [waiting.publishing for waiting in group])
        except Exception as error:  # noqa: BLE001 - the callers wait: each gets an answer, whatever went wrong
            if len(group) > 1:
                self._store_singly(group)
            else:
                _refuse(group[0], error)
            return
        self._services.ring.fan_out()
        for waiting, answer in zip(group, answers, strict=True):
            if isinstance(answer, Conflict):
                waiting.future.set_exception(answer)
            else:
                waiting.future.set_result(answer)

    def _store_singly(self, group: list[_Waiting]) -> None:
        """Try each request alone, so that nobody pays for a neighbour."""
        for waiting in group:
            try:
                (answer,) = store_group(self._services, [waiting.publishing])
            except Unavailable as error:
                # It would be the same for the rest, and each try may take seconds.
                for rest in group[group.index(waiting) :]:
                    _refuse(rest, error)
                break
            except Exception as error:  # noqa: BLE001 - as above
                _refuse(waiting, error)
                continue
            if isinstance(answer, Conflict):
                waiting.future.set_exception(answer)
            else:
                waiting.future.set_result(answer)
        self._services.ring.fan_out()


def _refuse(waiting: _Waiting, error: Exception) -> None:
    waiting.future.set_exception(error)
    if not isinstance(error, PostriderError):
        log.error("publish.failed", tenant_id=str(waiting.publishing.tenant_id), exc_info=error)


def store_group(services: Services, group: Sequence[Publishing]) -> list[Answer]:
    """Store requests in one transaction; answers in their order, Conflict for a key that stands for another body."""
    now = services.clock.now()
    with services.database.write() as tx:
        group_of_one_commit = _Group(services, tx, now)
        answers = [group_of_one_commit.place(publishing) for publishing in group]
        events.add(tx, group_of_one_commit.fresh)
        return answers


class _Group:
    """The requests that share a transaction; what one has just made, a repeat beside it must find."""

    def __init__(self, services: Services, tx: Transaction, now: datetime) -> None:
        self._services, self._tx, self._now = services, tx, now
        self.fresh: list[Event] = []
        self._made: dict[UUID, Published] = {}

    def place(self, publishing: Publishing) -> Answer:
        """Take a request's keys and note its events; they are inserted together at the end."""
        new = _events(self._services, publishing, self._now)
        if publishing.idempotency_key is not None:
            return self._keyed(publishing.tenant_id, publishing.idempotency_key, publishing.body_hash, new)
        if any(event.idempotency_key is not None for event in publishing.events):
            return self._place_keyed_events(publishing, new)
        return self._keep(new)

    def _place_keyed_events(self, publishing: Publishing, new: tuple[Event, ...]) -> Answer:
        answer: list[Published] = []
        before = len(self.fresh)
        savepoint = self._tx.begin_nested()
        for given, event in zip(publishing.events, new, strict=True):
            placed = (
                self._keep((event,))
                if given.idempotency_key is None
                else self._keyed(publishing.tenant_id, given.idempotency_key, _hash(given), (event,))
            )
            if isinstance(placed, Conflict):
                savepoint.rollback()
                del self.fresh[before:]
                return placed
            answer.extend(placed)
        savepoint.commit()
        return tuple(answer)

    def _keyed(self, tenant_id: UUID, key: str, body_hash: bytes, new: tuple[Event, ...]) -> Answer:
        wanted = idempotency.KeyedPublish(key, body_hash, tuple(event.id for event in new))
        had = idempotency.claim(self._tx, tenant_id, wanted, now=self._now)
        if had is None:
            return self._keep(new)
        if had.body_hash != body_hash:
            return Conflict(f"the idempotency key {key!r} was used for another body; use a new key for a new event")
        if had.event_ids[0] in self._made:
            return tuple(self._made[event_id] for event_id in had.event_ids)
        heads = events.heads(self._tx, tenant_id, had.event_ids)
        return tuple(Published(head.id, head.event_type, head.created_at) for head in heads)

    def _keep(self, new: tuple[Event, ...]) -> tuple[Published, ...]:
        answer = tuple(Published(event.id, event.event_type, event.created_at) for event in new)
        self.fresh.extend(new)
        self._made |= {one.id: one for one in answer}
        return answer


def _hash(given: NewEvent) -> bytes:
    return hashlib.sha256(given.event_type.encode() + b"\0" + given.payload).digest()


def _events(services: Services, publishing: Publishing, now: datetime) -> tuple[Event, ...]:
    return tuple(
        Event(
            id=event_id,
            tenant_id=publishing.tenant_id,
            event_type=given.event_type,
            payload=given.payload,
            created_at=now,
            attributes=given.attributes,
        )
        for event_id, given in zip(services.ids.many(len(publishing.events)), publishing.events, strict=True)
    )
