"""What a Postrider holds that has worked for a month: written by the database itself, a few rows a microsecond."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import psycopg

DAYS = 29
"""The delivered ones are spread over so many: none is past its term."""
WAITING_DAYS = 5
"""For so long the dead integrations have been dead."""
LETTER_DAYS = 80
"""The dead letters are older than other things may be: they are kept for longer."""
EVENT_TYPE = "order.refunded"
LETTER_ERROR = "http_404"
NOBODY = UUID(int=0)
"""Stands for the tenant as a whole where it is counted."""
EACH_EVENT = 2
"""Deliveries that come of one event."""
_HOT_TABLES = ("events", "deliveries", "attempts")


@dataclass(frozen=True, slots=True)
class Amounts:
    """How much there is."""

    delivered: int = 5_000_000
    pending: int = 1_000_000
    letters: int = 60_000

    def scaled(self, scale: float) -> Amounts:
        """Give so much of it."""
        delivered, pending, letters = (round(amount * scale) for amount in (self.delivered, self.pending, self.letters))
        return Amounts(delivered, pending, letters)


@dataclass(frozen=True, slots=True)
class Owners:
    """Whose deliveries they are."""

    tenant: UUID
    healthy: Sequence[UUID]
    """Share the delivered ones and the dead letters."""
    dead: Sequence[UUID]
    """Share the pending ones."""
    now: datetime


# The ids of events, deliveries and attempts hold the moments of their making, as those that Postrider makes.
_ROWS = """
CREATE TEMP TABLE fresh AS
SELECT uuidv7(%(now)s - clock_timestamp() - age) AS event_id, n, %(now)s - age AS made
FROM generate_series(1, %(events)s::int) AS n,
     make_interval(secs => %(seconds)s::float8 * (%(events)s::int - n) / %(events)s::int) AS age
"""
_EVENTS = """
INSERT INTO events (id, tenant_id, event_type, payload, origin, created_at, fanned_out_at)
SELECT event_id, %(tenant)s, %(event_type)s, convert_to(%(payload)s, 'UTF8'), 'published', made, made FROM fresh
"""
_DELIVERIES = """
INSERT INTO deliveries (id, tenant_id, event_id, integration_id, event_type, status, due_at, attempt, reason, error,
                        created_at, updated_at)
SELECT uuidv7(made - clock_timestamp()), %(tenant)s, event_id,
       (%(owners)s::uuid[])[1 + (n * %(each)s + k) %% cardinality(%(owners)s::uuid[])], %(event_type)s, %(status)s,
       CASE WHEN %(status)s = 'pending' THEN made END, %(attempt)s, %(reason)s, %(error)s, made, made
FROM fresh, generate_series(1, %(each)s) AS k
ORDER BY n
"""
_ATTEMPTS = """
INSERT INTO attempts (id, delivery_id, tenant_id, integration_id, number, started_at, duration_ms, verdict, decision,
                      error, detail, status_code, response_headers, response_body, late, created_at)
SELECT uuidv7(d.updated_at - clock_timestamp()), d.id, d.tenant_id, d.integration_id, 1, d.created_at, 12.5,
       CASE d.error WHEN '' THEN 'delivered' ELSE 'permanent' END, CASE d.error WHEN '' THEN 'finish' ELSE 'bury' END,
       d.error, '', CASE d.error WHEN '' THEN 200 ELSE 404 END, '{"content-type":"text/plain"}', 'ok', false,
       d.updated_at
FROM deliveries d JOIN fresh USING (event_id)
"""
# A quarter of an hour for 8 days, and minutes for 2 hours: as much as is kept.
_COUNTS = """
INSERT INTO counts (tenant_id, integration_id, step_seconds, begins_at, published, delivered, failed, died, latencies)
SELECT %(tenant)s, owner, step, to_timestamp(floor(extract(epoch FROM %(now)s) / step) * step - n * step), 0, 90, 10,
       1, '{"5":60,"6":30}'
FROM unnest(%(owners)s::uuid[]) AS owner, (VALUES (900, 767), (60, 119)) AS kept (step, most),
     generate_series(0, most) AS n
ON CONFLICT DO NOTHING
"""
_PAYLOAD = '{"data":{"type":"order","id":"1","total":1.10,"note":"%s"}}' % ("x" * 300)
_DAY_SECONDS = 86_400


def fill(connection: psycopg.Connection, amounts: Amounts, owners: Owners) -> None:
    """Write what has been delivered, what waits for dead integrations, what nobody could deliver, and the counts."""
    _write(connection, amounts.letters, owners, status="dead", days=LETTER_DAYS, error=LETTER_ERROR)
    _write(connection, amounts.delivered, owners, status="delivered", days=DAYS)
    _write(connection, amounts.pending, owners, status="pending", days=WAITING_DAYS)
    fill_counts(connection, owners, [NOBODY, *owners.healthy, *owners.dead])


def fill_counts(connection: psycopg.Connection, owners: Owners, integration_ids: Sequence[UUID]) -> None:
    """Write what happened to each in as many steps as are kept; what is there already stays."""
    connection.execute(_COUNTS, {"tenant": owners.tenant, "owners": list(integration_ids), "now": owners.now})


def _write(
    connection: psycopg.Connection, amount: int, owners: Owners, *, status: str, days: int, error: str = ""
) -> None:
    values = {
        "events": max(amount // EACH_EVENT, 1),
        "each": EACH_EVENT,
        "seconds": days * _DAY_SECONDS,
        "now": owners.now,
        "tenant": owners.tenant,
        "owners": list(owners.dead if status == "pending" else owners.healthy),
        "event_type": EVENT_TYPE,
        "payload": _PAYLOAD,
        "status": status,
        "attempt": 0 if status == "pending" else 1,
        "reason": "permanent" if status == "dead" else "",
        "error": error,
    }
    with connection.transaction():
        for statement in (_ROWS, _EVENTS, _DELIVERIES):
            connection.execute(statement, values)
        if status != "pending":
            connection.execute(_ATTEMPTS, values)
        connection.execute("DROP TABLE fresh")


@contextmanager
def without_indexes(connection: psycopg.Connection) -> Iterator[None]:
    """Take the hot tables' indexes away, but for their keys, and build them anew: many rows cost a fifth so."""
    made = connection.execute(
        "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = ANY(%s) AND indexname NOT LIKE 'pk_%%'",
        [list(_HOT_TABLES)],
    ).fetchall()
    for name, _ in made:
        connection.execute(f"DROP INDEX {name}".encode())
    yield
    for _, definition in made:
        connection.execute(definition.encode())


def tidy(connection: psycopg.Connection) -> None:
    """Leave all tables as autovacuum does in time: without what is dead, and with statistics.

    Of each: PostgreSQL may choose worse once it knows how much a table holds.
    """
    connection.execute("VACUUM (ANALYZE)")
