"""Events: stored once, read often, forgotten at last."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Integer,
    LargeBinary,
    Row,
    Select,
    and_,
    bindparam,
    delete,
    exists,
    func,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.sql.base import ReadOnlyColumnCollection

from postrider.domain.delivery import DeliveryStatus
from postrider.domain.event import Event, EventOrigin

from .bulk import insert_rows
from .engine import Transaction
from .tables import attempts, deliveries, events, made_between
from .tally import Standing, Tally


def add(tx: Transaction, new: Sequence[Event]) -> None:
    """Store events, of any tenants, that are still to be fanned out."""
    insert_rows(
        tx,
        events,
        [
            {
                "id": event.id,
                "tenant_id": event.tenant_id,
                "event_type": event.event_type,
                "payload": event.payload,
                "attributes": dict(event.attributes) or None,
                "origin": event.origin.value,
                "origin_event_id": event.origin_event_id,
                "target_id": event.target_id,
                "created_at": event.created_at,
            }
            for event in new
        ],
    )


@dataclass(frozen=True, slots=True)
class EventHead:
    """An event without its payload."""

    id: UUID
    event_type: str
    created_at: datetime
    origin: EventOrigin
    origin_event_id: UUID | None


def heads(tx: Transaction, tenant_id: UUID, event_ids: Sequence[UUID]) -> list[EventHead]:
    """Read the heads of events, in the order of the ids given; those that are not there are left out."""
    query = _heads().where(events.c.tenant_id == tenant_id, events.c.id.in_(event_ids))
    found = {row.id: _head(row) for row in tx.execute(query)}
    return [found[event_id] for event_id in event_ids if event_id in found]


def replay(tx: Transaction, tenant_id: UUID, event_id: UUID, *, now: datetime) -> bool:
    """Have an event fanned out once more, to all that observe it by now; False while it is not fanned out yet."""
    done = tx.execute(
        update(events)
        .where(events.c.tenant_id == tenant_id, events.c.id == event_id, events.c.fanned_out_at.is_not(None))
        .values(fanned_out_at=None, fan_out_after=None, replayed_at=now)
    )
    return done.rowcount == 1


def get(tx: Transaction, tenant_id: UUID, event_id: UUID) -> Event | None:
    """Read one event."""
    row = tx.execute(_all().where(events.c.tenant_id == tenant_id, events.c.id == event_id)).one_or_none()
    return None if row is None else _event(row)


def waits(tx: Transaction, tenant_id: UUID, event_id: UUID) -> bool:
    """Tell whether an event is still to be fanned out, for the first time or once more."""
    mine = (events.c.tenant_id == tenant_id, events.c.id == event_id)
    return tx.execute(select(events.c.id).where(*mine, events.c.fanned_out_at.is_(None))).first() is not None


@dataclass(frozen=True, slots=True)
class EventFilter:
    """Which events a list shows; None takes all."""

    event_type: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def page(tx: Transaction, tenant_id: UUID, wanted: EventFilter, *, before: UUID | None, limit: int) -> list[EventHead]:
    """List events without their payloads, newest first, from the one before `before`."""
    query = _heads().where(events.c.tenant_id == tenant_id)
    if wanted.event_type is not None:
        query = query.where(events.c.event_type == wanted.event_type)
    query = query.where(*made_between(events.c.id, events.c.created_at, since=wanted.since, until=wanted.until))
    if before is not None:
        query = query.where(events.c.id < before)
    return [_head(row) for row in tx.execute(query.order_by(events.c.id.desc()).limit(limit))]


LOOKED_AT_BYTES = 32 * 1024 * 1024
"""Of payloads, at most, in one search: a few large ones take as long as thousands of usual size."""


@dataclass(frozen=True, slots=True)
class Found:
    """What one look at a part of the events has found."""

    heads: list[EventHead]
    goes_on_before: UUID | None
    """There is more to look at before this one; None: that was all."""


def search(
    tx: Transaction,
    tenant_id: UUID,
    *,
    text: str,
    event_type: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
    before: UUID | None = None,
    limit: int,
    looked_at: int = 5_000,
) -> Found:
    """Find up to `limit` events whose payloads hold a text, newest first, in whichever way JSON can spell it.

    Looks at no more than `looked_at` events, and at no more of their bytes than can be read in a moment; the next look
    goes on where this one ended. Upper and lower case differ.
    """
    where = [events.c.tenant_id == tenant_id]
    where += made_between(events.c.id, events.c.created_at, since=since, until=until)
    if event_type is not None:
        where.append(events.c.event_type == event_type)
    if before is not None:
        where.append(events.c.id < before)
    first, last, is_all = _extent(tx, where, looked_at)
    if first is None or last is None:
        return Found([], None)
    query = _heads().where(*where, events.c.id.between(last, first), _payload_holds(tx, text))
    heads = [_head(row) for row in tx.execute(query.order_by(events.c.id.desc()).limit(limit))]
    if len(heads) == limit and heads[-1].id != last:
        return Found(heads, heads[-1].id)
    return Found(heads, None if is_all else last)


def _extent(
    tx: Transaction, where: Sequence[ColumnElement[bool]], looked_at: int
) -> tuple[UUID | None, UUID | None, bool]:
    """Tell between which events to look, newest first, and whether those are all."""
    sizes = select(events.c.id, func.length(events.c.payload)).where(*where).order_by(events.c.id.desc())
    rows = tx.execute(sizes.limit(looked_at)).all()
    total, taken = 0, 0
    for _, size in rows:
        total += size
        if taken and total > LOOKED_AT_BYTES:
            break
        taken += 1
    if not taken:
        return None, None, True
    return rows[0].id, rows[taken - 1].id, taken == len(rows) < looked_at


def _payload_holds(tx: Transaction, text: str) -> ColumnElement[bool]:
    needles = [literal(needle, LargeBinary) for needle in sorted(_spellings(text))]
    if tx.dialect.name == "sqlite":
        return or_(*(func.instr(events.c.payload, needle) > 0 for needle in needles))
    return or_(*(func.position(needle.op("IN")(events.c.payload)) > 0 for needle in needles))


def _spellings(text: str) -> set[bytes]:
    """Give a text as it was typed, and as it stands in JSON: with and without escapes of what is not ASCII."""
    in_json, escaped = json.dumps(text, ensure_ascii=False)[1:-1], json.dumps(text)[1:-1]
    upper = re.sub(r"\\u[0-9a-f]{4}", lambda found: "\\u" + found[0][2:].upper(), escaped)
    return {one.encode(errors="replace") for one in (text, in_json, escaped, upper)}


# Made once: it is asked with every batch, and making a statement costs more than running it.
_FIRST_WAITING = (
    select(events.c.tenant_id).where(events.c.fanned_out_at.is_(None)).order_by(events.c.tenant_id).limit(1)
)
_NEXT_WAITING = _FIRST_WAITING.where(events.c.tenant_id > bindparam("after"))
ANY_WAITING = exists().where(events.c.fanned_out_at.is_(None))
"""Says in SQL that some event is to be fanned out."""


def any_tenant_next_waiting(tx: Transaction, *, after: UUID | None) -> UUID | None:
    """Find the next tenant that has events to fan out, behind `after` in the order of ids."""
    found = tx.execute(_FIRST_WAITING) if after is None else tx.execute(_NEXT_WAITING, {"after": after})
    return found.scalar_one_or_none()


@dataclass(frozen=True, slots=True)
class Waiting:
    """An event that is to be fanned out; its payload stays in the database."""

    id: UUID
    event_type: str
    published_at: datetime
    """When it was published, or replayed."""
    target_id: UUID | None
    after: UUID | None
    """The last integration that an earlier batch has served."""
    replayed: bool
    """It has been fanned out before."""


_TAKE_WAITING = (
    select(
        events.c.id,
        events.c.event_type,
        func.coalesce(events.c.replayed_at, events.c.created_at),
        events.c.target_id,
        events.c.fan_out_after,
        events.c.replayed_at.is_not(None),
    )
    .where(events.c.tenant_id == bindparam("tenant"), events.c.fanned_out_at.is_(None))
    .order_by(events.c.id)
    .limit(bindparam("limit", type_=Integer))
    .with_for_update(skip_locked=True)
)


def take_waiting(tx: Transaction, tenant_id: UUID, *, limit: int) -> list[Waiting]:
    """Lock a tenant's oldest events that nobody else is fanning out."""
    return [Waiting(*row) for row in tx.execute(_TAKE_WAITING, {"tenant": tenant_id, "limit": limit}).all()]


_MARK_FANNED_OUT = (
    update(events)
    .where(events.c.tenant_id == bindparam("tenant"), events.c.id.in_(bindparam("done", expanding=True)))
    .values(fanned_out_at=bindparam("now"))
)


def mark_fanned_out(tx: Transaction, tenant_id: UUID, event_ids: Sequence[UUID], *, now: datetime) -> None:
    """Note that every integration that observes these events has its delivery."""
    tx.execute(_MARK_FANNED_OUT, {"tenant": tenant_id, "done": event_ids, "now": now})


def mark_fanned_out_upto(tx: Transaction, tenant_id: UUID, event_id: UUID, *, integration_id: UUID) -> None:
    """Note where the next batch of a widely observed event goes on."""
    tx.execute(
        update(events)
        .where(events.c.tenant_id == tenant_id, events.c.id == event_id)
        .values(fan_out_after=integration_id)
    )


def hold(tx: Transaction, tenant_id: UUID, event_id: UUID) -> bool:
    """Keep an event from being forgotten until the transaction ends; False when there is none (any more)."""
    query = select(events.c.id).where(events.c.tenant_id == tenant_id, events.c.id == event_id)
    return tx.execute(query.with_for_update(read=True)).scalar_one_or_none() is not None


@dataclass(frozen=True, slots=True)
class Forgettable:
    """What a look at some events past their term found."""

    ids: list[UUID]
    """Of those that may go: locked."""
    goes_on_after: UUID | None
    """There may be more behind this one; None: these were the last."""


def any_tenant_forgettable(
    tx: Transaction, *, ended_before: datetime, dead_before: datetime, after: UUID | None, limit: int
) -> Forgettable:
    """Look at the oldest events past their term, behind `after`, and lock those that nothing keeps.

    What is kept, because something of it is pending, sending or inside its own term, may be much more than what goes:
    so the look is bounded by what is looked at.
    """
    looked_at = _past_term(tx, ended_before=ended_before, after=after, limit=limit)
    goes_on_after = looked_at[-1] if len(looked_at) == limit else None
    if not looked_at:
        return Forgettable([], None)
    kept = exists().where(
        deliveries.c.event_id == events.c.id,
        (deliveries.c.status.in_(("pending", "sending")))
        | and_(deliveries.c.status == "dead", deliveries.c.updated_at >= dead_before)
        | and_(deliveries.c.status != "dead", deliveries.c.updated_at >= ended_before),
    )
    over = select(events.c.id).where(events.c.fanned_out_at.is_not(None), ~kept)
    lock = over.where(events.c.id.in_(looked_at)).order_by(events.c.id).with_for_update(skip_locked=True)
    locked = list(tx.execute(lock).scalars())
    # Asked again with the locks in hand: a redrive may have come between the look and the lock.
    sure = list(tx.execute(over.where(events.c.id.in_(locked))).scalars()) if locked else []
    return Forgettable(sure, goes_on_after)


def _past_term(tx: Transaction, *, ended_before: datetime, after: UUID | None, limit: int) -> list[UUID]:
    old = made_between(events.c.id, events.c.created_at, since=None, until=ended_before)
    query = select(events.c.id).where(*old)
    if after is not None:
        query = query.where(events.c.id > after)
    return list(tx.execute(query.order_by(events.c.id).limit(limit)).scalars())


def any_tenant_forget(tx: Transaction, event_ids: Sequence[UUID], *, now: datetime) -> None:
    """Delete events with their deliveries and attempts."""
    gone = select(deliveries.c.id).where(deliveries.c.event_id.in_(event_ids))
    tx.execute(delete(attempts).where(attempts.c.delivery_id.in_(gone)))
    tally = Tally()
    for tenant_id, integration_id, error, times in _forget_deliveries(tx, event_ids):
        letter = Standing(DeliveryStatus.DEAD, error)
        tally.moved(tenant_id, integration_id, was=letter, now=None, times=times)
    tally.write(tx, now=now)
    tx.execute(delete(events).where(events.c.id.in_(event_ids)))


def _forget_deliveries(tx: Transaction, event_ids: Sequence[UUID]) -> Sequence[tuple[UUID, UUID, str, int]]:
    """Delete the deliveries of events; tell how many were dead letters, by integration and error."""
    mine = deliveries.c.event_id.in_(event_ids)
    if tx.dialect.name == "sqlite":
        found = tx.execute(_letters_among(deliveries.c).where(mine)).all()
        tx.execute(delete(deliveries).where(mine))
        return found
    # In one statement: others may discard a letter, or make it one again, between two.
    gone = delete(deliveries).where(mine).returning(*(deliveries.c[name] for name in _OF_A_LETTER)).cte("gone")
    return tx.execute(_letters_among(gone.c)).all()


_OF_A_LETTER = ("tenant_id", "integration_id", "error", "status")


def _letters_among(rows: ReadOnlyColumnCollection[str, Any]) -> Select[Any]:
    of = rows["tenant_id"], rows["integration_id"], rows["error"]
    return select(*of, func.count()).where(rows["status"] == DeliveryStatus.DEAD.value).group_by(*of)


def _heads() -> Select[Any]:
    return select(events.c.id, events.c.event_type, events.c.created_at, events.c.origin, events.c.origin_event_id)


def _head(row: Row[Any]) -> EventHead:
    return EventHead(row.id, row.event_type, row.created_at, EventOrigin(row.origin), row.origin_event_id)


def _all() -> Select[Any]:
    return select(
        events.c.id,
        events.c.tenant_id,
        events.c.event_type,
        events.c.payload,
        events.c.created_at,
        events.c.origin,
        events.c.origin_event_id,
        events.c.target_id,
        events.c.attributes,
    )


def _event(row: Row[Any]) -> Event:
    values = row._asdict()
    return Event(
        **{
            **values,
            "payload": bytes(values["payload"]),
            "origin": EventOrigin(values["origin"]),
            "attributes": values["attributes"] or {},
        }
    )
