"""Taking deliveries to send them, and writing down what became of them.

The two databases get a text of their own where PostgreSQL can do in one statement what SQLite does in three.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Select, bindparam, case, exists, func, literal, or_, select, text, tuple_, update
from sqlalchemy.dialects import sqlite

from postrider.domain.delivery import LOST_ALONE, Claimed, DeliveryStatus
from postrider.domain.latencies import bucket_of
from postrider.domain.outcome import Outcome, Verdict

from . import health
from .engine import Transaction
from .tables import SUSPECT, attempts, deliveries, events, holds, integration_state, integrations, status_is
from .tally import Standing, Tally
from .types import Instant

_SENDING = Standing(DeliveryStatus.SENDING)

_CLAIM = """
WITH due AS (
    SELECT d.id, i.version
    FROM deliveries d JOIN integrations i ON i.id = d.integration_id
    JOIN integration_state s ON s.integration_id = d.integration_id
    WHERE d.integration_id = :integration_id AND d.status = 'pending' AND d.due_at <= :now
      AND {which} AND i.enabled AND i.deleted_at IS NULL
      AND (s.breaker_opened_at IS NULL OR :probe)
    ORDER BY d.due_at, d.id LIMIT :limit
    FOR UPDATE OF d SKIP LOCKED
)
UPDATE deliveries d
SET status = 'sending', attempt = d.attempt + 1, token = :token, started_at = :now, lease_until = :lease_until,
    due_at = NULL, updated_at = :now
FROM due, events e
WHERE d.id = due.id AND e.id = d.event_id
RETURNING d.id, d.tenant_id, d.integration_id, due.version AS integration_version, d.event_id, d.event_type, e.payload,
    d.attempt, d.round_start, d.lost, d.token, d.started_at, d.lease_until,
    coalesce(e.replayed_at, e.created_at) AS published_at
"""
# Each in words of its own: in the others' the few that are to be alone would be looked for among all that is due.
_CLAIM_POSTGRESQL = text(_CLAIM.format(which=f"d.lost < {LOST_ALONE}"))
_CLAIM_ALONE_POSTGRESQL = text(_CLAIM.format(which=f"d.lost >= {LOST_ALONE}"))


def any_tenant_claim(
    tx: Transaction,
    integration_id: UUID,
    *,
    limit: int,
    alone: bool,
    token: UUID,
    now: datetime,
    lease_until: datetime,
    probe: bool = False,
) -> list[Claimed]:
    """Take up to `limit` due deliveries of an integration, oldest first, under a fresh token.

    Safe to call any number of times: a delivery has one holder until its lease ends. The row then holds the attempt's
    number, token and start: the record before the bytes leave. `alone` takes from those that were lost with their
    worker before, and only from those. Nothing is taken for an integration that is switched off, nor for one whose
    breaker is open, save as its `probe`.
    """
    if tx.dialect.name == "sqlite":
        return _claim_sqlite(tx, integration_id, limit, alone, token, now, lease_until, probe)
    rows = tx.execute(
        _CLAIM_ALONE_POSTGRESQL if alone else _CLAIM_POSTGRESQL,
        {
            "integration_id": integration_id,
            "limit": limit,
            "probe": probe,
            "token": token,
            "now": now,
            "lease_until": lease_until,
        },
    )
    # All at once: the driver is asked for each row otherwise.
    return sorted([Claimed(*row) for row in rows.all()], key=lambda claimed: claimed.delivery_id)


def _claim_sqlite(
    tx: Transaction,
    integration_id: UUID,
    limit: int,
    alone: bool,  # noqa: FBT001
    token: UUID,
    now: datetime,
    lease_until: datetime,
    probe: bool,  # noqa: FBT001
) -> list[Claimed]:
    d, i, s = deliveries.c, integrations.c, integration_state.c
    which = holds(SUSPECT) if alone else d.lost < LOST_ALONE
    due = (
        select(d.id)
        .join(integrations, i.id == d.integration_id)
        .join(integration_state, s.integration_id == d.integration_id)
        .where(d.integration_id == integration_id, d.status == "pending", d.due_at <= now, which)
        .where(i.enabled, i.deleted_at.is_(None), or_(s.breaker_opened_at.is_(None), literal(probe)))
        .order_by(d.due_at, d.id)
        .limit(limit)
    )
    ids = list(tx.execute(due).scalars())
    if not ids:
        return []
    tx.execute(
        update(deliveries)
        .where(d.id.in_(ids))
        .values(
            status=DeliveryStatus.SENDING.value,
            attempt=d.attempt + 1,
            token=token,
            started_at=now,
            lease_until=lease_until,
            due_at=None,
            updated_at=now,
        )
    )
    taken: Select[Any] = (
        select(
            d.id,
            d.tenant_id,
            d.integration_id,
            i.version,
            d.event_id,
            d.event_type,
            events.c.payload,
            d.attempt,
            d.round_start,
            d.lost,
            d.token,
            d.started_at,
            d.lease_until,
            func.coalesce(events.c.replayed_at, events.c.created_at),
        )
        .join(integrations, i.id == d.integration_id)
        .join(events, events.c.id == d.event_id)
        .where(d.id.in_(ids))
        .order_by(d.id)
    )
    return [Claimed(*row) for row in tx.execute(taken)]


@dataclass(frozen=True, slots=True)
class Settlement:
    """What became of one claimed delivery, and what shall become of it."""

    attempt_id: UUID
    """The id of the attempt's row."""
    claimed: Claimed
    outcome: Outcome
    decision: str
    status: DeliveryStatus
    due_at: datetime | None
    reason: str


_HEADERS = msgspec.json.Encoder()

_SETTLE_POSTGRESQL = text("""
WITH told AS (
    SELECT * FROM json_to_recordset(cast(:told AS json)) AS t (
        attempt_id uuid, id uuid, tenant_id uuid, integration_id uuid, number int, token uuid, started_at timestamptz,
        duration_ms float8, verdict text, decision text, error text, detail text, status_code int,
        response_headers text, response_body text, status text, due_at timestamptz, reason text, bucket int
    )
), moved AS (
    UPDATE deliveries d
    SET status = CASE WHEN t.status = 'pending' AND i.deleted_at IS NOT NULL THEN 'discarded' ELSE t.status END,
        due_at = CASE WHEN i.deleted_at IS NULL THEN t.due_at END,
        reason = CASE WHEN t.status = 'pending' AND i.deleted_at IS NOT NULL
                      THEN 'integration_deleted' ELSE t.reason END,
        error = t.error, token = NULL, lease_until = NULL, updated_at = :now
    FROM told t, integrations i
    WHERE d.id = t.id AND d.token = t.token AND i.id = t.integration_id
    RETURNING d.id, d.tenant_id, d.integration_id, d.status, d.error, t.verdict, t.bucket
), counted AS (
    INSERT INTO count_changes (tenant_id, integration_id, at, published, delivered, failed, died, backlog, letters,
                               latencies)
    SELECT m.tenant_id, m.integration_id, :now, 0, count(*) FILTER (WHERE m.verdict = 'delivered'),
           count(*) FILTER (WHERE m.verdict <> 'delivered'), count(*) FILTER (WHERE m.status = 'dead'),
           -count(*) FILTER (WHERE m.status <> 'pending'),
           (SELECT coalesce(json_object_agg(error, number)::text, '{}') FROM (
                SELECT l.error, count(*) AS number FROM moved l
                WHERE l.status = 'dead' AND l.integration_id = m.integration_id GROUP BY l.error
            ) AS by_error),
           (SELECT coalesce(json_object_agg(bucket, number)::text, '{}') FROM (
                SELECT l.bucket, count(*) AS number FROM moved l
                WHERE l.bucket IS NOT NULL AND l.integration_id = m.integration_id GROUP BY l.bucket
            ) AS by_bucket)
    FROM moved m GROUP BY m.tenant_id, m.integration_id
), written AS (
    INSERT INTO attempts (id, delivery_id, tenant_id, integration_id, number, started_at, duration_ms, verdict,
                          decision, error, detail, status_code, response_headers, response_body, late, created_at)
    SELECT t.attempt_id, t.id, t.tenant_id, t.integration_id, t.number, t.started_at, t.duration_ms, t.verdict,
           t.decision, t.error, t.detail, t.status_code, t.response_headers, t.response_body, m.id IS NULL, :now
    FROM told t LEFT JOIN moved m ON m.id = t.id
    ON CONFLICT (delivery_id, number) DO UPDATE
    SET duration_ms = excluded.duration_ms, verdict = excluded.verdict, error = excluded.error,
        detail = excluded.detail, status_code = excluded.status_code, response_headers = excluded.response_headers,
        response_body = excluded.response_body, late = excluded.late
    WHERE attempts.verdict = 'unknown'
    RETURNING delivery_id
)
SELECT id FROM moved
""")


def any_tenant_settle(tx: Transaction, settlements: Sequence[Settlement], *, now: datetime) -> set[UUID]:
    """Write attempts and move their deliveries on; give the ids of those that moved.

    A delivery whose token is not ours any more stays as it is; its attempt row, where it says unknown, is completed and
    marked late. So who did not hear that it was written can tell again. What was to be tried again for an integration
    that was deleted meanwhile is discarded.
    """
    if tx.dialect.name == "sqlite":
        return _settle_sqlite(tx, settlements, now)
    # One JSON document, made in C, costs a third of the time of an array for each column.
    told = msgspec.json.encode([_told(settlement) for settlement in settlements]).decode()
    return set(tx.execute(_SETTLE_POSTGRESQL, {"told": told, "now": now}).scalars().all())


def _told(settlement: Settlement) -> dict[str, Any]:
    claimed, outcome = settlement.claimed, settlement.outcome
    return {
        "attempt_id": settlement.attempt_id,
        "id": claimed.delivery_id,
        "tenant_id": claimed.tenant_id,
        "integration_id": claimed.integration_id,
        "number": claimed.attempt,
        "token": claimed.token,
        "started_at": claimed.started_at,
        "duration_ms": _milliseconds(outcome),
        "verdict": outcome.verdict,
        "decision": settlement.decision,
        "error": outcome.error,
        "detail": outcome.detail,
        "status_code": outcome.status_code,
        "response_headers": _HEADERS.encode(outcome.response_headers).decode(),
        "response_body": outcome.response_body,
        "status": settlement.status,
        "due_at": settlement.due_at,
        "reason": settlement.reason,
        "bucket": _bucket(settlement),
    }


def _bucket(settlement: Settlement) -> int | None:
    """Say how long the event took, if it arrived before anybody had to send it again."""
    claimed, outcome = settlement.claimed, settlement.outcome
    if outcome.verdict is not Verdict.DELIVERED or claimed.round_start:
        return None
    taken = claimed.started_at + outcome.duration - claimed.published_at
    return bucket_of(taken.total_seconds() * 1000)


_MOVE_SQLITE = (
    text("""
UPDATE deliveries
SET status = CASE WHEN t.status = 'pending' AND i.deleted_at IS NOT NULL THEN 'discarded' ELSE t.status END,
    due_at = CASE WHEN i.deleted_at IS NULL THEN t.due_at END,
    reason = CASE WHEN t.status = 'pending' AND i.deleted_at IS NOT NULL THEN 'integration_deleted' ELSE t.reason END,
    error = t.error, token = NULL, lease_until = NULL, updated_at = :now
FROM (
    SELECT json_extract(value, '$.id') AS id, json_extract(value, '$.token') AS token,
           json_extract(value, '$.status') AS status, json_extract(value, '$.due_at') AS due_at,
           json_extract(value, '$.reason') AS reason, json_extract(value, '$.error') AS error
    FROM json_each(:told)
) t, integrations i
WHERE deliveries.id = t.id AND deliveries.token = t.token
  AND i.id = deliveries.integration_id
RETURNING deliveries.id, deliveries.status
""")
    .bindparams(bindparam("now", type_=Instant()))
    .columns(deliveries.c.id, deliveries.c.status)
)

_COMPLETED = (
    "duration_ms",
    "verdict",
    "error",
    "detail",
    "status_code",
    "response_headers",
    "response_body",
    "late",
)
"""What a late outcome tells of an attempt that was written down as unknown."""


def _settle_sqlite(tx: Transaction, settlements: Sequence[Settlement], now: datetime) -> set[UUID]:
    told = [_sqlite_values(_told(settlement), tx) for settlement in settlements]
    found = tx.execute(_MOVE_SQLITE, {"told": msgspec.json.encode(told).decode(), "now": now}).all()
    moved = {row.id: str(row.status) for row in found}
    _count(tx, settlements, moved, now)
    rows = [
        _attempt_row(settlement, late=settlement.claimed.delivery_id not in moved, now=now)
        for settlement in settlements
    ]
    insert = sqlite.insert(attempts)
    tx.execute(
        insert.on_conflict_do_update(
            index_elements=["delivery_id", "number"],
            set_={name: insert.excluded[name] for name in _COMPLETED},
            where=attempts.c.verdict == Verdict.UNKNOWN.value,
        ),
        rows,
    )
    return set(moved)


def _count(tx: Transaction, settlements: Sequence[Settlement], moved: Mapping[UUID, str], now: datetime) -> None:
    tally = Tally()
    for one in settlements:
        if (status := moved.get(one.claimed.delivery_id)) is None:
            continue
        of = one.claimed.tenant_id, one.claimed.integration_id
        if one.outcome.verdict is Verdict.DELIVERED:
            tally.delivered(*of, bucket=_bucket(one))
        else:
            tally.failed(*of)
        tally.moved(*of, was=_SENDING, now=Standing(status, one.outcome.error))
    tally.write(tx, now=now)


def _sqlite_values(told: dict[str, Any], tx: Transaction) -> dict[str, Any]:
    """Write ids and moments as SQLite keeps them."""
    instant = Instant()
    return {
        "id": told["id"].hex,
        "token": told["token"].hex,
        "status": told["status"],
        "due_at": instant.process_bind_param(told["due_at"], tx.dialect),
        "reason": told["reason"],
        "error": told["error"],
    }


def _attempt_row(settlement: Settlement, *, late: bool, now: datetime) -> dict[str, Any]:
    claimed, outcome = settlement.claimed, settlement.outcome
    return {
        "id": settlement.attempt_id,
        "delivery_id": claimed.delivery_id,
        "tenant_id": claimed.tenant_id,
        "integration_id": claimed.integration_id,
        "number": claimed.attempt,
        "started_at": claimed.started_at,
        "duration_ms": _milliseconds(outcome),
        "verdict": outcome.verdict.value,
        "decision": settlement.decision,
        "error": outcome.error,
        "detail": outcome.detail,
        "status_code": outcome.status_code,
        "response_headers": dict(outcome.response_headers),
        "response_body": outcome.response_body,
        "late": late,
        "created_at": now,
    }


def _milliseconds(outcome: Outcome) -> float:
    return round(outcome.duration.total_seconds() * 1000, 3)


INTEGRATION_IS_DELETED = (
    select(integrations.c.deleted_at.is_not(None))
    .where(integrations.c.id == deliveries.c.integration_id)
    .scalar_subquery()
)
_GIVE_BACK = (
    update(deliveries)
    # In pairs: one of them may be held again by now, under the token of another.
    .where(tuple_(deliveries.c.id, deliveries.c.token).in_(bindparam("held", expanding=True)))
    .values(
        status=case((INTEGRATION_IS_DELETED, "discarded"), else_="pending"),
        # It had its turn already: nothing that waits goes before it.
        due_at=case((INTEGRATION_IS_DELETED, None), else_=deliveries.c.created_at),
        reason=case((INTEGRATION_IS_DELETED, "integration_deleted"), else_=""),
        attempt=deliveries.c.attempt - 1,
        token=None,
        lease_until=None,
        updated_at=bindparam("now"),
    )
    .returning(deliveries.c.tenant_id, deliveries.c.integration_id, deliveries.c.status)
)


def any_tenant_give_back(tx: Transaction, claimed: Sequence[Claimed], *, now: datetime) -> None:
    """Make deliveries that were claimed and not sent due again, as if they had not been claimed.

    Those of an integration that was deleted meanwhile are discarded.
    """
    tally = Tally()
    moved = tx.execute(_GIVE_BACK, {"held": [(c.delivery_id, c.token) for c in claimed], "now": now}).all()
    for tenant_id, integration_id, status in moved:
        tally.moved(tenant_id, integration_id, was=_SENDING, now=Standing(status))
    tally.write(tx, now=now)


_ONE_DUE = (
    select(literal(1))
    .select_from(deliveries)
    .where(deliveries.c.integration_id == bindparam("integration"), status_is(deliveries.c.status, "pending"))
    .where(deliveries.c.due_at <= bindparam("now"))
    .limit(1)
)
_RESTS = exists().where(
    integration_state.c.integration_id == bindparam("integration"), health.rests(bindparam("now", type_=Instant()))
)
_DUE = _ONE_DUE.join(integrations, integrations.c.id == deliveries.c.integration_id).where(
    integrations.c.enabled, integrations.c.deleted_at.is_(None), ~_RESTS
)
_SUSPECT_DUE = _ONE_DUE.where(holds(SUSPECT))


def any_tenant_due(tx: Transaction, integration_id: UUID, *, now: datetime) -> bool:
    """Tell whether an integration has a due delivery that may be tried now: it is switched on and does not rest."""
    return tx.execute(_DUE, {"integration": integration_id, "now": now}).scalar_one_or_none() is not None


def any_tenant_suspect_due(tx: Transaction, integration_id: UUID, *, now: datetime) -> bool:
    """Tell whether an integration has a due delivery that is to be claimed alone."""
    return tx.execute(_SUSPECT_DUE, {"integration": integration_id, "now": now}).scalar_one_or_none() is not None
