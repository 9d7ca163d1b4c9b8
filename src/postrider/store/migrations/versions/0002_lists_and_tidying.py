"""Indexes for what is listed and rare among many, and how PostgreSQL tidies up."""

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
    "ix_deliveries_error": (["tenant_id", "error", "id"], "error <> ''"),
}


def upgrade() -> None:
    for name, (columns, condition) in _PARTIAL.items():
        _create(name, columns, condition)
    op.drop_index("ix_deliveries_dead", table_name="deliveries")
    op.drop_index("ix_events_created", table_name="events")
    _alter("SET ({})", lambda name, value: f"{name} = {value}")


def downgrade() -> None:
    _alter("RESET ({})", lambda name, _: name)
    op.create_index("ix_events_created", "events", ["created_at"], unique=False)
    _create("ix_deliveries_dead", ["tenant_id", "id"], "status = 'dead'")
    for name in _PARTIAL:
        op.drop_index(name, table_name="deliveries")


def _create(name: str, columns: list[str], condition: str) -> None:
    op.create_index(
        name, "deliveries", columns, unique=False, postgresql_where=sa.text(condition), sqlite_where=sa.text(condition)
    )


def _alter(action: str, told: Callable[[str, str], str]) -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    for table, settings in _TIDYING.items():
        op.execute(f"ALTER TABLE {table} " + action.format(", ".join(told(*one) for one in settings.items())))
