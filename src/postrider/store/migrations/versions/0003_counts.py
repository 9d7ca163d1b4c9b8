"""Counts of what happens, kept as it happens; what waits and what is dead is counted once."""

import sqlalchemy as sa
from alembic import op

from postrider.store.types import Instant, Json

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_OVERWRITTEN = {
    "fillfactor": 50,
    "autovacuum_vacuum_scale_factor": 0,
    "autovacuum_vacuum_threshold": 1_000,
}
_PASSING = {"autovacuum_vacuum_scale_factor": 0, "autovacuum_vacuum_threshold": 1_000}
_NUMBERS = ("published", "delivered", "failed", "died")
_COUNT_BACKLOGS = """
INSERT INTO backlogs (tenant_id, integration_id, deliveries)
SELECT tenant_id, integration_id, count(*) FROM deliveries WHERE status IN ('pending', 'sending')
GROUP BY tenant_id, integration_id
"""
_COUNT_LETTERS = """
INSERT INTO dead_letter_groups (tenant_id, integration_id, error, letters, first_at, last_at)
SELECT tenant_id, integration_id, error, count(*), min(updated_at), max(updated_at) FROM deliveries
WHERE status = 'dead' GROUP BY tenant_id, integration_id, error
"""


def upgrade() -> None:
    op.create_table(
        "count_changes",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), sa.Identity(), nullable=False),
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("integration_id", sa.Uuid(), nullable=True, comment="none: a change of the tenant's alone"),
        sa.Column("at", Instant(), nullable=False),
        *[sa.Column(name, sa.Integer(), nullable=False) for name in _NUMBERS],
        sa.Column("backlog", sa.Integer(), nullable=False, comment="so many more, or fewer, are pending or sending"),
        sa.Column("letters", Json(), nullable=False, comment="so many more, or fewer, are dead, by error"),
        sa.Column("latencies", Json(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_count_changes")),
        postgresql_with=_PASSING,
    )
    op.create_index("ix_count_changes_tenant", "count_changes", ["tenant_id", "integration_id"], unique=False)
    op.create_table(
        "counts",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("integration_id", sa.Uuid(), nullable=False, comment="nil: the tenant as a whole"),
        sa.Column("step_seconds", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("begins_at", Instant(), nullable=False),
        *[sa.Column(name, sa.Integer(), nullable=False) for name in _NUMBERS],
        sa.Column("latencies", Json(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "integration_id", "step_seconds", "begins_at", name=op.f("pk_counts")),
        postgresql_with=_OVERWRITTEN,
    )
    op.create_index("ix_counts_begins", "counts", ["step_seconds", "begins_at"], unique=False)
    op.create_table(
        "backlogs",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("integration_id", sa.Uuid(), nullable=False),
        sa.Column("deliveries", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "integration_id", name=op.f("pk_backlogs")),
        postgresql_with=_OVERWRITTEN,
    )
    op.create_table(
        "dead_letter_groups",
        sa.Column("tenant_id", sa.Uuid(), nullable=False),
        sa.Column("integration_id", sa.Uuid(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.Column("letters", sa.Integer(), nullable=False),
        sa.Column("first_at", Instant(), nullable=False),
        sa.Column("last_at", Instant(), nullable=False, comment="when the newest was buried"),
        sa.PrimaryKeyConstraint("tenant_id", "integration_id", "error", name=op.f("pk_dead_letter_groups")),
        postgresql_with=_OVERWRITTEN,
    )
    op.execute(_COUNT_BACKLOGS)
    op.execute(_COUNT_LETTERS)


def downgrade() -> None:
    op.drop_table("dead_letter_groups")
    op.drop_table("backlogs")
    op.drop_table("counts")
    op.drop_table("count_changes")
