"""The sums that pages show, as a month's work leaves them beside its deliveries."""

from __future__ import annotations

from datetime import timedelta

import psycopg
from growth.filling import Owners

from postrider.store.tables import WHOLE_TENANT

_KEPT = ((60, timedelta(hours=2)), (900, timedelta(days=8)))
"""Each step of the sums, in seconds, and for how long its rows are kept."""
_COUNTS = """
INSERT INTO counts (tenant_id, integration_id, step_seconds, begins_at, published, delivered, failed, died, latencies)
SELECT %(tenant)s, owner, %(step)s, begins_at, CASE WHEN owner = %(whole)s THEN 40 ELSE 0 END, 60, 2, 1,
       '{"5": 20, "7": 30, "9": 8, "14": 2}'
FROM unnest(%(owners)s::uuid[]) AS owner,
     generate_series(to_timestamp(floor(extract(epoch FROM %(now)s - %(kept)s) / %(step)s) * %(step)s), %(now)s,
                     make_interval(secs => %(step)s)) AS begins_at
ON CONFLICT DO NOTHING
"""
_BACKLOGS = """
INSERT INTO backlogs (tenant_id, integration_id, deliveries)
SELECT tenant_id, integration_id, count(*) FROM deliveries WHERE status IN ('pending', 'sending') GROUP BY 1, 2
"""
_GROUPS = """
INSERT INTO dead_letter_groups (tenant_id, integration_id, error, letters, first_at, last_at)
SELECT tenant_id, integration_id, error, count(*), min(updated_at), max(updated_at) FROM deliveries
WHERE status = 'dead' GROUP BY 1, 2, 3
"""


def fill_sums(connection: psycopg.Connection, owners: Owners) -> None:
    """Write the sums of every integration, and those that the deliveries give."""
    everybody = [WHOLE_TENANT, *owners.healthy, *owners.dead]
    for step, kept in _KEPT:
        values = {
            "tenant": owners.tenant,
            "whole": WHOLE_TENANT,
            "owners": everybody,
            "step": step,
            "now": owners.now,
            "kept": kept,
        }
        connection.execute(_COUNTS, values)
    for table, statement in (("backlogs", _BACKLOGS), ("dead_letter_groups", _GROUPS), ("count_changes", "")):
        connection.execute(f"DELETE FROM {table}".encode())
        if statement:
            connection.execute(statement.encode())
    for table in ("counts", "backlogs", "dead_letter_groups"):
        connection.execute(f"VACUUM (ANALYZE) {table}".encode())
