"""What pages show in numbers: from sums that are kept, never by counting deliveries.

Backlogs and dead letters are exact at any moment: what is not folded yet is added. What happened lags behind by a turn
of the sweep.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    Row,
    Select,
    Subquery,
    Uuid,
    bindparam,
    cast,
    extract,
    func,
    literal_column,
    select,
    type_coerce,
    union_all,
)
from sqlalchemy.dialects import postgresql

from postrider.domain.latencies import Histogram, added, from_json, quantile

from .engine import Transaction
from .folding import MINUTE, QUARTER, begin_of
from .tables import (
    IN_LISTS,
    WHOLE_TENANT,
    backlogs,
    count_changes,
    counts,
    dead_letter_groups,
    deliveries,
    holds,
    status_is,
)
from .types import Json

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
OLDEST_OF = 1_000
"""Among so many that are due first the oldest of an integration is looked for."""


@dataclass(frozen=True, slots=True)
class Count:
    """What happened in a stretch of time."""

    begins_at: datetime
    published: int = 0
    """Events that were fanned out; none for an integration."""
    delivered: int = 0
    failed: int = 0
    """Attempts, as far as is known."""
    died: int = 0
    """Deliveries that became dead letters."""
    latencies: Histogram = field(default_factory=dict)
    """From publishing to arrival, of what arrived without a redrive."""

    @property
    def success_rate(self) -> float | None:
        """The share of attempts that arrived; None without any."""
        attempts = self.delivered + self.failed
        return self.delivered / attempts if attempts else None

    @property
    def p50_ms(self) -> float | None:
        """Within so many milliseconds half of it arrived; None when nothing did."""
        return quantile(self.latencies, 0.5)

    @property
    def p95_ms(self) -> float | None:
        """Within so many milliseconds nearly all of it arrived; None when nothing did."""
        return quantile(self.latencies, 0.95)


def series(
    tx: Transaction,
    tenant_id: UUID,
    *,
    integration_id: UUID | None,
    since: datetime,
    until: datetime,
    step: timedelta,
) -> list[Count]:
    """Tell what happened in each step, also in those in which nothing did; None: for the tenant as a whole.

    The first step is the one in which `since` lies, the last ends at `until` or after it. Whole quarters of an hour are
    known for 8 days, other steps, which are whole minutes, for 2 hours. Raises ValueError for steps that are neither.
    """
    if step <= timedelta(0) or step % MINUTE:
        raise ValueError("a step is a number of whole minutes")
    begin, of = begin_of(since, step), integration_id or WHOLE_TENANT
    rows = defaultdict[datetime, list[Row[Any]]](list)
    for row in tx.execute(_counts(tenant_id, of, _kept_step(step), since=begin, until=until)):
        rows[begin_of(row.begins_at, step)].append(row)
    return [_sum(begins_at, rows[begins_at]) for begins_at in _steps(begin, until, step)]


def attempts_of_each(
    tx: Transaction,
    tenant_id: UUID,
    integration_ids: Sequence[UUID],
    *,
    since: datetime,
    until: datetime,
    step: timedelta,
) -> dict[UUID, list[Count]]:
    """Tell of each in steps of whole quarters of an hour how many attempts arrived and failed, and nothing else.

    The database adds up: a list of many integrations is read in a tenth of the time that their series take.
    """
    if step <= timedelta(0) or step % QUARTER:
        raise ValueError("a step is a number of whole quarters of an hour")
    begin, c = begin_of(since, step), counts.c
    number = _number_of_step(tx, step).label("number")
    query = select(c.integration_id, number, func.sum(c.delivered), func.sum(c.failed)).group_by(
        c.integration_id, number
    )
    kept = (*_in_step(tenant_id, integration_ids, QUARTER), c.begins_at >= begin, c.begins_at < until)
    found = {(one, int(place)): (int(well), int(ill)) for one, place, well, ill in tx.execute(query.where(*kept))}
    steps = [(begins_at, (begins_at - _EPOCH) // step) for begins_at in _steps(begin, until, step)]
    return {
        one: [
            Count(begins_at, delivered=well, failed=ill)
            for begins_at, place in steps
            for well, ill in (found.get((one, place), (0, 0)),)
        ]
        for one in integration_ids
    }


def _number_of_step(tx: Transaction, step: timedelta) -> ColumnElement[int]:
    """Say in SQL in the how manyth step since 1970 a row begins; steps are the same as `begin_of` has them."""
    if tx.dialect.name == "sqlite":
        return type_coerce(counts.c.begins_at, BigInteger) // (step // timedelta(microseconds=1))
    seconds = literal_column(str(int(step.total_seconds())), Integer())
    return cast(func.floor(extract("epoch", counts.c.begins_at) / seconds), BigInteger)


def total(tx: Transaction, tenant_id: UUID, *, integration_id: UUID | None, since: datetime, until: datetime) -> Count:
    """Add up what happened: from the minute in which `since` lies, or from its quarter of an hour when that is old."""
    of = integration_id or WHOLE_TENANT
    oldest = select(func.min(counts.c.begins_at)).where(*_in_step(tenant_id, [of], MINUTE))
    kept_since = tx.execute(oldest).scalar_one()
    # All that is younger than the oldest minute happened in minutes that are kept.
    step = MINUTE if kept_since is not None and since >= kept_since else QUARTER
    rows = tx.execute(_counts(tenant_id, of, step, since=begin_of(since, step), until=until))
    return _sum(since, rows)


def _kept_step(step: timedelta) -> timedelta:
    return MINUTE if step % QUARTER else QUARTER


def _steps(begin: datetime, until: datetime, step: timedelta) -> Iterator[datetime]:
    while begin < until:
        yield begin
        begin += step


def _in_step(tenant_id: UUID, integration_ids: Sequence[UUID], step: timedelta) -> list[ColumnElement[bool]]:
    return [
        counts.c.tenant_id == tenant_id,
        counts.c.integration_id.in_(integration_ids),
        counts.c.step_seconds == int(step.total_seconds()),
    ]


def _counts(tenant_id: UUID, of: UUID, step: timedelta, *, since: datetime, until: datetime) -> Select[Any]:
    c = counts.c
    query = select(c.begins_at, c.published, c.delivered, c.failed, c.died, c.latencies)
    return query.where(*_in_step(tenant_id, [of], step), c.begins_at >= since, c.begins_at < until)


def _sum(begins_at: datetime, rows: Iterable[Row[Any]]) -> Count:
    rows = list(rows)
    return Count(
        begins_at,
        published=sum(row.published for row in rows),
        delivered=sum(row.delivered for row in rows),
        failed=sum(row.failed for row in rows),
        died=sum(row.died for row in rows),
        latencies=added(from_json(row.latencies) for row in rows),
    )


def backlog(tx: Transaction, tenant_id: UUID) -> int:
    """Tell how many deliveries of a tenant are pending or sending."""
    found = _backlog_parts(tx, tenant_id)
    return int(tx.execute(select(func.coalesce(func.sum(found.c.deliveries), 0))).scalar_one())


def backlog_of_each(tx: Transaction, tenant_id: UUID, integration_ids: Sequence[UUID]) -> dict[UUID, int]:
    """Tell how many deliveries of each integration are pending or sending."""
    found = _backlog_parts(tx, tenant_id)
    query = select(found.c.integration_id, func.sum(found.c.deliveries)).group_by(found.c.integration_id)
    rows = tx.execute(query.where(found.c.integration_id.in_(integration_ids)))
    return dict.fromkeys(integration_ids, 0) | {integration_id: int(number) for integration_id, number in rows}


def _backlog_parts(tx: Transaction, tenant_id: UUID) -> Subquery:
    """Take sums and what is not folded yet in one statement: between two, a change would go from here to there."""
    b, c = backlogs.c, count_changes.c
    integration_id, new = _waiting(tx)
    return union_all(
        select(b.integration_id, b.deliveries).where(b.tenant_id == tenant_id),
        select(c.integration_id, c.backlog).where(c.tenant_id == tenant_id, c.backlog != 0),
        select(integration_id, new)
        .select_from(count_changes)
        .where(c.tenant_id == tenant_id, c.integration_id.is_(None)),
    ).subquery()


def _waiting(tx: Transaction) -> tuple[ColumnElement[UUID], ColumnElement[int]]:
    """Give in SQL the integration and the number of each member of `waiting`, a row for each."""
    if tx.dialect.name == "sqlite":
        member = func.json_each(count_changes.c.waiting).table_valued("key", "value", joins_implicitly=True)
        return type_coerce(member.c.key, Uuid()), cast(member.c.value, Integer)
    member = func.json_each_text(cast(count_changes.c.waiting, postgresql.JSON)).table_valued(
        "key", "value", joins_implicitly=True
    )
    return cast(member.c.key, Uuid()), cast(member.c.value, Integer)


# Between two equal bounds and in the order of both, so that only the index of statuses gives that order: asked for the
# first of all ids that is pending, PostgreSQL may walk by ids over all that was delivered before.
_OLDEST_OF_TENANT = (
    select(deliveries.c.created_at)
    .where(deliveries.c.tenant_id == bindparam("tenant"), holds(IN_LISTS))
    .where(deliveries.c.status >= literal_column("'pending'"), deliveries.c.status <= literal_column("'pending'"))
    .order_by(deliveries.c.status, deliveries.c.id)
    .limit(1)
)


def oldest_waiting(tx: Transaction, tenant_id: UUID, integration_id: UUID | None = None) -> datetime | None:
    """Tell since when the oldest pending delivery exists; None when nothing is pending.

    Of an integration it is the oldest among the thousand that are due first: one that failed long ago and waits for
    its next try is behind them.
    """
    d = deliveries.c
    mine = [d.tenant_id == tenant_id, status_is(d.status, "pending")]
    if integration_id is None:
        return tx.execute(_OLDEST_OF_TENANT, {"tenant": tenant_id}).scalar_one_or_none()
    first = select(d.created_at).where(*mine, d.integration_id == integration_id).order_by(d.due_at, d.id)
    found = first.limit(OLDEST_OF).subquery()
    oldest: datetime | None = tx.execute(select(func.min(found.c.created_at))).scalar_one()
    return oldest


@dataclass(frozen=True, slots=True)
class LetterGroup:
    """The dead letters of an integration that have the same error."""

    integration_id: UUID
    error: str
    letters: int
    first_at: datetime
    last_at: datetime
    """When the newest was buried."""


def letter_groups(
    tx: Transaction, tenant_id: UUID, *, integration_id: UUID | None = None, limit: int
) -> list[LetterGroup]:
    """List the dead letters by integration and error, those with the most letters first."""
    groups = _groups(tx, tenant_id, integration_id)
    groups.sort(key=lambda group: (-group.letters, group.integration_id, group.error))
    return groups[:limit]


def letters(tx: Transaction, tenant_id: UUID) -> int:
    """Tell how many dead letters a tenant has."""
    return sum(group.letters for group in _groups(tx, tenant_id, None))


def _groups(tx: Transaction, tenant_id: UUID, integration_id: UUID | None) -> list[LetterGroup]:
    parts = defaultdict[tuple[UUID, str], list[LetterGroup]](list)
    for part in _letter_parts(tx, tenant_id, integration_id):
        parts[part.integration_id, part.error].append(part)
    joined = (_joined(each) for each in parts.values())
    return [group for group in joined if group.letters > 0]


def _letter_parts(tx: Transaction, tenant_id: UUID, integration_id: UUID | None) -> Iterator[LetterGroup]:
    """Give the groups that are kept, then what is not folded yet; in one statement, as backlogs are."""
    g, c = dead_letter_groups.c, count_changes.c
    kept = select(g.integration_id, g.error, g.letters, g.first_at, g.last_at, _NOTHING.label("changes"))
    new = select(c.integration_id, literal_column("''"), literal_column("0"), c.at, c.at, c.letters)
    kept, new = kept.where(g.tenant_id == tenant_id), new.where(c.tenant_id == tenant_id, holds("letters <> '{}'"))
    if integration_id is not None:
        kept, new = kept.where(g.integration_id == integration_id), new.where(c.integration_id == integration_id)
    for row in tx.execute(union_all(kept, new)).all():
        if row.letters:
            yield LetterGroup(row.integration_id, row.error, row.letters, row.first_at, row.last_at)
        for error, number in row.changes.items():
            yield LetterGroup(row.integration_id, error, number, row.first_at, row.last_at)


_NOTHING = literal_column("'{}'", Json())


def _joined(parts: Sequence[LetterGroup]) -> LetterGroup:
    buried = [part for part in parts if part.letters > 0] or parts
    return LetterGroup(
        parts[0].integration_id,
        parts[0].error,
        sum(part.letters for part in parts),
        min(part.first_at for part in buried),
        max(part.last_at for part in buried),
    )
