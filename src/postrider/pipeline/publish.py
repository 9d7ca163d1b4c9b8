"""Storing what happened: requests that wait together share one commit, and an answer means a committed row."""

from __future__ import annotations

import hashlib
import threading
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
            except Exception as error:  # noqa: BLE001 - as above
                _refuse(waiting, error)
                continue
            if isinstance(answer, Conflict):
                waiting.future.set_exception(answer)
            else:
                waiting.future.set_result(answer)
        self._services.ring.fan_out()


def _refuse(waiting: _Waiting, error: Exception) -> None:
    if not isinstance(error, PostriderError):
        log.error("publish.failed", tenant_id=str(waiting.publishing.tenant_id), exc_info=error)
    waiting.future.set_exception(error)


def store_group(services: Services, group: Sequence[Publishing]) -> list[tuple[Published, ...] | Conflict]:
    """Store requests in one transaction; answers in their order, Conflict for a key that stands for another body."""
    now = services.clock.now()
    with services.database.write() as tx:
        placed = [_place(services, tx, publishing, now) for publishing in group]
        fresh = [event for one in placed if isinstance(one, _Placed) for event in one.fresh]
        events.add(tx, fresh)
        return [one if isinstance(one, Conflict) else one.answer for one in placed]


@dataclass(frozen=True, slots=True)
class _Placed:
    answer: tuple[Published, ...]
    fresh: tuple[Event, ...]


def _place(services: Services, tx: Transaction, publishing: Publishing, now: datetime) -> _Placed | Conflict:
    new = _events(services, publishing, now)
    if publishing.idempotency_key is not None:
        had = idempotency.claim(
            tx, publishing.tenant_id, _keyed(publishing.idempotency_key, publishing.body_hash, new), now=now
        )
        return _fresh(new) if had is None else _again(tx, publishing.tenant_id, had, publishing.body_hash)
    if any(event.idempotency_key is not None for event in publishing.events):
        return _place_keyed_events(tx, publishing, new, now)
    return _fresh(new)


def _place_keyed_events(
    tx: Transaction, publishing: Publishing, new: tuple[Event, ...], now: datetime
) -> _Placed | Conflict:
    answer: list[Published] = []
    fresh: list[Event] = []
    savepoint = tx.begin_nested()
    for given, event in zip(publishing.events, new, strict=True):
        placed: _Placed | Conflict = _fresh((event,))
        if given.idempotency_key is not None:
            body_hash = _hash(given)
            had = idempotency.claim(
                tx, publishing.tenant_id, _keyed(given.idempotency_key, body_hash, (event,)), now=now
            )
            placed = placed if had is None else _again(tx, publishing.tenant_id, had, body_hash)
        if isinstance(placed, Conflict):
            savepoint.rollback()
            return placed
        answer.extend(placed.answer)
        fresh.extend(placed.fresh)
    savepoint.commit()
    return _Placed(tuple(answer), tuple(fresh))


def _again(tx: Transaction, tenant_id: UUID, had: idempotency.Publishing, body_hash: bytes) -> _Placed | Conflict:
    if had.body_hash != body_hash:
        return Conflict(f"the idempotency key {had.key!r} was used for another body; use a new key for a new event")
    heads = events.heads(tx, tenant_id, had.event_ids)
    return _Placed(tuple(Published(head.id, head.event_type, head.created_at) for head in heads), ())


def _fresh(new: tuple[Event, ...]) -> _Placed:
    return _Placed(tuple(Published(event.id, event.event_type, event.created_at) for event in new), new)


def _keyed(key: str, body_hash: bytes, new: tuple[Event, ...]) -> idempotency.Publishing:
    return idempotency.Publishing(key, body_hash, tuple(event.id for event in new))


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
