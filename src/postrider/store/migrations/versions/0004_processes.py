"""Which processes there are, and which job has discarded a delivery."""

import sqlalchemy as sa
from alembic import op

from postrider.store.types import Instant

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_OVERWRITTEN = {
    "fillfactor": 50,
    "autovacuum_vacuum_scale_factor": 0,
    "autovacuum_vacuum_threshold": 1_000,
}


def upgrade() -> None:
    op.create_table(
        "processes",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False, comment="worker or web"),
        sa.Column("host", sa.Text(), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("started_at", Instant(), nullable=False),
        sa.Column("seen_at", Instant(), nullable=False),
        sa.Column("in_flight", sa.Integer(), nullable=False, comment="attempts under way"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_processes")),
        postgresql_with=_OVERWRITTEN,
    )
    op.add_column(
        "deliveries",
        sa.Column(
            "discarded_by", sa.Uuid(), nullable=True, comment="the job that discarded it, as long as it stays so"
        ),
    )
    _say_of_kinds("redrive, discard or undo_discard")


def downgrade() -> None:
    _say_of_kinds("redrive or discard")
    op.drop_column("deliveries", "discarded_by")
    op.drop_table("processes")


def _say_of_kinds(comment: str) -> None:
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column("jobs", "kind", existing_type=sa.Text(), existing_nullable=False, comment=comment)
