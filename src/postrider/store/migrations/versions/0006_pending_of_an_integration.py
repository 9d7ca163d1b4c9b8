"""An index of what waits for an integration in the order of lists, however much that is."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_ENDED = "status IN ('dead', 'discarded', 'skipped')"
_LISTED = "status IN ('pending', 'dead', 'discarded', 'skipped')"


def upgrade() -> None:
    _replace("ix_deliveries_ended", "ix_deliveries_listed", _LISTED, expected="200000 5000 2500 1")


def downgrade() -> None:
    _replace("ix_deliveries_listed", "ix_deliveries_ended", _ENDED, expected="10000 1000 500 1")


def _replace(old: str, new: str, condition: str, *, expected: str) -> None:
    """Make one index in place of another; `expected` is what SQLite plans by, as for all that it has."""
    op.drop_index(old, table_name="deliveries")
    op.create_index(
        new,
        "deliveries",
        ["integration_id", "status", "id"],
        unique=False,
        postgresql_where=sa.text(condition),
        sqlite_where=sa.text(condition),
    )
    if op.get_bind().dialect.name == "sqlite":
        stat = sa.table("sqlite_stat1", sa.column("tbl"), sa.column("idx"), sa.column("stat"))
        op.execute(sa.delete(stat).where(stat.c.idx == old))
        op.bulk_insert(stat, [{"tbl": "deliveries", "idx": new, "stat": expected}])
        op.execute("ANALYZE sqlite_master")  # has it read
