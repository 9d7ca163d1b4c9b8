"""Indexes for what is listed and rare among many, how PostgreSQL tidies up, and what SQLite plans by."""

from collections.abc import Callable

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_WORKED_ON = {
    "autovacuum_vacuum_scale_factor": "0.02",
    "autovacuum_vacuum_threshold": "5000",
    "vacuum_index_cleanup": "on",
    "autovacuum_analyze_scale_factor": "0.02",
}
_KEPT = {"autovacuum_vacuum_scale_factor": "0.05"}
_OVERWRITTEN = {
    "fillfactor": "50",
    "autovacuum_vacuum_scale_factor": "0",
    "autovacuum_vacuum_threshold": "1000",
}
_TIDYING = {
    "events": _WORKED_ON,
    "deliveries": _WORKED_ON,
    "attempts": _KEPT,
    "doorbells": _OVERWRITTEN,
    "slots": _OVERWRITTEN,
    "leases": _OVERWRITTEN,
    "integration_state": _OVERWRITTEN,
}
_PARTIAL = {
    "ix_deliveries_status": (["tenant_id", "status", "id"], "status IN ('pending', 'dead', 'discarded', 'skipped')"),
    "ix_deliveries_ended": (["integration_id", "status", "id"], "status IN ('dead', 'discarded', 'skipped')"),
    "ix_deliveries_suspect": (["integration_id", "due_at", "id"], "status = 'pending' AND lost >= 2"),
    "ix_deliveries_error": (["tenant_id", "error", "id"], "error <> ''"),
}
# Who never counted takes all indexes for equally good, and looks for one event's deliveries among all of the tenant's.
# Counting again and again would change plans while nobody looks; these are the numbers of a large database, for good:
# rows, and how many of them share each longer beginning of the index.
_EXPECTED = {
    "deliveries": {
        "sqlite_autoindex_deliveries_1": "1000000 1",
        "ix_deliveries_tenant": "1000000 1000000 1",
        "ix_deliveries_integration": "1000000 100000 1",
        "ix_deliveries_event": "1000000 2",
        "ix_deliveries_due": "100000 5000 2 1",
        "ix_deliveries_lease": "100 2",
        "ix_deliveries_status": "200000 200000 50000 1",
        "ix_deliveries_ended": "10000 1000 500 1",
        "ix_deliveries_suspect": "10 2 1 1",
        "ix_deliveries_error": "20000 20000 2000 1",
    },
    "events": {
        "sqlite_autoindex_events_1": "500000 1",
        "ix_events_tenant": "500000 500000 1",
        "ix_events_type": "500000 500000 50000 1",
        "ix_events_not_fanned_out": "100 50 1",
    },
    "attempts": {
        "sqlite_autoindex_attempts_1": "1000000 1",
        "ux_attempts_delivery": "1000000 1 1",
        "ix_attempts_integration": "1000000 100000 1",
        "ix_attempts_tenant": "1000000 1000000 1",
    },
    "integrations": {"sqlite_autoindex_integrations_1": "1000 1", "ix_integrations_tenant": "1000 500 1"},
    "integration_state": {"sqlite_autoindex_integration_state_1": "1000 1"},
}


def upgrade() -> None:
    for name, (columns, condition) in _PARTIAL.items():
        _create(name, columns, condition)
    op.drop_index("ix_deliveries_dead", table_name="deliveries")
    op.create_index("ix_events_type", "events", ["tenant_id", "event_type", "id"], unique=False)
    op.drop_index("ix_events_created", table_name="events")
    _alter("SET ({})", lambda name, value: f"{name} = {value}")
    # Nearly all that is dead has an error, and nearly all that has one is dead: PostgreSQL thinks them rare together,
    # and sorts them all for a page.
    _on_postgresql("CREATE STATISTICS st_deliveries_status_error (mcv) ON status, error FROM deliveries")
    _expect(_EXPECTED)


def downgrade() -> None:
    _expect({})
    _on_postgresql("DROP STATISTICS st_deliveries_status_error")
    _alter("RESET ({})", lambda name, _: name)
    op.create_index("ix_events_created", "events", ["created_at"], unique=False)
    op.drop_index("ix_events_type", table_name="events")
    _create("ix_deliveries_dead", ["tenant_id", "id"], "status = 'dead'")
    for name in _PARTIAL:
        op.drop_index(name, table_name="deliveries")


def _create(name: str, columns: list[str], condition: str) -> None:
    op.create_index(
        name, "deliveries", columns, unique=False, postgresql_where=sa.text(condition), sqlite_where=sa.text(condition)
    )


def _alter(action: str, told: Callable[[str, str], str]) -> None:
    for table, settings in _TIDYING.items():
        _on_postgresql(f"ALTER TABLE {table} " + action.format(", ".join(told(*one) for one in settings.items())))


def _on_postgresql(statement: str) -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.execute(statement)


def _expect(numbers: dict[str, dict[str, str]]) -> None:
    if op.get_bind().dialect.name != "sqlite":
        return
    rows = [
        {"tbl": table, "idx": index, "stat": stat}
        for table, indexes in numbers.items()
        for index, stat in indexes.items()
    ]
    op.execute("ANALYZE")
    op.execute("DELETE FROM sqlite_stat1")
    if rows:
        op.bulk_insert(sa.table("sqlite_stat1", sa.column("tbl"), sa.column("idx"), sa.column("stat")), rows)
    op.execute("ANALYZE sqlite_master")  # has them read
