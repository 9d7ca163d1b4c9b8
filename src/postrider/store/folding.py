"""Adding up what was counted: the sweep takes the changes that transactions have left and folds them into sums."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Integer,
    Row,
    Select,
    bindparam,
    case,
    delete,
    exists,
    func,
    literal_column,
    select,
    text,
    update,
)

from postrider.domain.latencies import Histogram, from_json, to_json

from .bulk import upsert_rows
from .engine import Transaction
from .tables import WHOLE_TENANT, backlogs, count_changes, counts, dead_letter_groups
from .tally import Sums

MINUTE, QUARTER = timedelta(minutes=1), timedelta(minutes=15)
_KEPT = {MINUTE: timedelta(hours=2), QUARTER: timedelta(days=8)}
"""In which steps it is counted what happened, and how long each is kept."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LOCK = (
    7_305_113_115  # any number; held in PostgreSQL while changes are folded, so that sums are read and written by one
)

_AT_A_STRETCH = 10
"""So many rows are added up before other threads get the interpreter."""

ANY_CHANGES = exists(select(count_changes.c.id))
"""Says in SQL that there is something to fold."""

# The oldest first: a letter that is taken back was counted before.
_OLDEST = select(count_changes.c.id).order_by(count_changes.c.id).limit(bindparam("limit", type_=Integer))
_TAKE = (
    delete(count_changes)
    .where(count_changes.c.id.in_(_OLDEST))
    .returning(*(column for column in count_changes.c if column.name != "id"))
)


def any_tenant_fold(tx: Transaction, *, limit: int) -> int:
    """Add up to `limit` changes to the sums; tells how many, none while somebody else is at it.

    A change is gone with the transaction that has added it: it counts once.
    """
    if tx.dialect.name != "sqlite" and not tx.execute(_TRY_LOCK, {"lock": _LOCK}).scalar_one():
        return 0
    changes = list(_unhurried(tx, tx.execute(_TAKE, {"limit": limit})))
    _add_to_counts(tx, changes)
    _add_to_backlogs(tx, changes)
    _add_to_letters(tx, changes)
    return len(changes)


def _unhurried(tx: Transaction, rows: Iterable[Row[Any]]) -> Iterator[Row[Any]]:
    """Give the rows, and the interpreter after every few to whoever waits for it.

    Nobody waits for sums, but for deliveries: a thread that works on without a pause has each of the others wait for
    up to five milliseconds whenever it comes back from the database. On SQLite there is no pause: everybody who writes
    waits for the end of this.
    """
    for number, row in enumerate(rows, 1):
        if number % _AT_A_STRETCH == 0 and tx.dialect.name != "sqlite":
            time.sleep(0)
        yield row


_TRY_LOCK = text("SELECT pg_try_advisory_xact_lock(:lock)")


def begin_of(moment: datetime, step: timedelta) -> datetime:
    """Tell when the step began in which a moment lies."""
    return moment - (moment - _EPOCH) % step


_Place = tuple[UUID, UUID, int, datetime]
"""The key of a row of counts: tenant, integration, step and begin."""
_NUMBERS = ("published", "delivered", "failed", "died")


def _add_to_counts(tx: Transaction, changes: Iterable[Row[Any]]) -> None:
    sums: dict[_Place, Sums] = defaultdict(Sums)
    for change in _unhurried(tx, changes):
        if any(getattr(change, name) for name in _NUMBERS):
            latencies = from_json(change.latencies)
            for place in _places(change):
                _include(sums[place], change, latencies)
    for row in _stored_counts(tx, sums):
        place = (row.tenant_id, row.integration_id, row.step_seconds, row.begins_at)
        if place in sums:
            _include(sums[place], row, from_json(row.latencies))
    upsert_rows(tx, counts, [_count_row(place, each) for place, each in sums.items()], _all_numbers)


def _places(change: Row[Any]) -> list[_Place]:
    return [
        (change.tenant_id, of, int(step.total_seconds()), begin_of(change.at, step))
        for of in {change.integration_id or WHOLE_TENANT, WHOLE_TENANT}
        for step in _KEPT
    ]


def _include(sums: Sums, row: Row[Any], latencies: Histogram) -> None:
    sums.published += row.published
    sums.delivered += row.delivered
    sums.failed += row.failed
    sums.died += row.died
    sums.latencies.update(latencies)


_COUNTS_AT = select(counts).where(
    counts.c.tenant_id == bindparam("tenant"),
    counts.c.integration_id.in_(bindparam("integrations", expanding=True)),
    counts.c.step_seconds.in_([int(step.total_seconds()) for step in _KEPT]),
    counts.c.begins_at.in_(bindparam("begins", expanding=True)),
)


def _stored_counts(tx: Transaction, places: Iterable[_Place]) -> list[Row[Any]]:
    """Read what is stored at these places, and perhaps at a few others."""
    integrations, begins = defaultdict[UUID, set[UUID]](set), set[datetime]()
    for tenant_id, integration_id, _, begins_at in places:
        integrations[tenant_id].add(integration_id)
        begins.add(begins_at)
    return [
        row
        for tenant_id, its in integrations.items()
        for row in tx.execute(
            _COUNTS_AT, {"tenant": tenant_id, "integrations": list(its), "begins": list(begins)}
        ).all()
    ]


def _count_row(place: _Place, sums: Sums) -> dict[str, Any]:
    tenant_id, integration_id, step_seconds, begins_at = place
    return {
        "tenant_id": tenant_id,
        "integration_id": integration_id,
        "step_seconds": step_seconds,
        "begins_at": begins_at,
        **{name: getattr(sums, name) for name in _NUMBERS},
        "latencies": to_json(sums.latencies),
    }


def _add_to_backlogs(tx: Transaction, changes: Iterable[Row[Any]]) -> None:
    # By the texts of ids as they are stored: one fan-out names many, and to read each time would take the longest.
    more = defaultdict[UUID, Counter[str]](Counter)
    for change in _unhurried(tx, changes):
        if change.backlog:
            more[change.tenant_id][change.integration_id.hex] += change.backlog
        more[change.tenant_id].update(change.waiting)
    rows = [
        {"tenant_id": tenant_id, "integration_id": UUID(integration_id), "deliveries": number}
        for tenant_id, numbers in more.items()
        for integration_id, number in numbers.items()
        if number
    ]
    upsert_rows(tx, backlogs, rows, _more_deliveries)


_Group = tuple[UUID, UUID, str]
"""The key of dead letters: tenant, integration and error."""


def _add_to_letters(tx: Transaction, changes: Sequence[Row[Any]]) -> None:
    more: Counter[_Group] = Counter()
    buried: dict[_Group, list[datetime]] = defaultdict(list)
    for change in changes:
        for error, number in change.letters.items():
            group = (change.tenant_id, change.integration_id, error)
            more[group] += number
            if number > 0:
                buried[group].append(change.at)
    if grown := [
        {**_group_key(group), "letters": more[group], "first_at": min(moments), "last_at": max(moments)}
        for group, moments in buried.items()
    ]:
        upsert_rows(tx, dead_letter_groups, grown, _more_letters)
    if shrunk := [
        {f"of_{name}": value for name, value in {**_group_key(group), "letters": number}.items()}
        for group, number in more.items()
        if group not in buried
    ]:
        tx.execute(_TAKE_LETTERS, shrunk)
    if more:
        tx.execute(_DROP_EMPTY, {"tenants": list({tenant_id for tenant_id, _, _ in more})})


def _group_key(group: _Group) -> dict[str, Any]:
    tenant_id, integration_id, error = group
    return {"tenant_id": tenant_id, "integration_id": integration_id, "error": error}


def _all_numbers(new: Any) -> dict[str, ColumnElement[Any]]:
    return {name: new[name] for name in (*_NUMBERS, "latencies")}


def _more_deliveries(new: Any) -> dict[str, ColumnElement[Any]]:
    return {"deliveries": backlogs.c.deliveries + new.deliveries}


def _more_letters(new: Any) -> dict[str, ColumnElement[Any]]:
    old = dead_letter_groups.c
    later = case((new.last_at > old.last_at, new.last_at), else_=old.last_at)
    return {"letters": old.letters + new.letters, "last_at": later}


_TAKE_LETTERS = (
    update(dead_letter_groups)
    .where(*(column == bindparam(f"of_{column.name}") for column in dead_letter_groups.primary_key))
    .values(letters=dead_letter_groups.c.letters + bindparam("of_letters", type_=Integer))
)
_DROP_EMPTY = delete(dead_letter_groups).where(
    dead_letter_groups.c.tenant_id.in_(bindparam("tenants", expanding=True)), dead_letter_groups.c.letters == 0
)


def any_tenant_forget(tx: Transaction, *, now: datetime, limit: int) -> int:
    """Delete up to `limit` counts past their term, the oldest of a step first; tells how many."""
    forget, gone = _FORGET["sqlite" if tx.dialect.name == "sqlite" else "postgresql"], 0
    for step, kept in _KEPT.items():
        values = {"step": int(step.total_seconds()), "before": now - kept, "limit": limit - gone}
        gone += tx.execute(forget, values).rowcount
    return gone


def _past_term(place: str) -> Select[Any]:
    # One step at a time and in the order of its index: asked for both, PostgreSQL reads the whole table for the few.
    return (
        select(literal_column(place))
        .select_from(counts)
        .where(counts.c.step_seconds == bindparam("step"), counts.c.begins_at < bindparam("before"))
        .order_by(counts.c.begins_at)
        .limit(bindparam("limit", type_=Integer))
    )


# By the places where the rows lie: by their keys, PostgreSQL may read the whole table to find them again.
_FORGET = {
    "postgresql": delete(counts).where(
        literal_column("counts.ctid") == func.any(func.array(_past_term("counts.ctid").scalar_subquery()))
    ),
    "sqlite": delete(counts).where(literal_column("rowid").in_(_past_term("rowid"))),
}
