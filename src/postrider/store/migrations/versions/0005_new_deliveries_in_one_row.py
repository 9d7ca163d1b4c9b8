"""What a fan-out adds to the backlogs of many integrations, in one row."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "count_changes",
        sa.Column(
            "waiting",
            sa.Text(),
            server_default="{}",
            nullable=False,
            comment="new deliveries that are pending, by integration",
        ),
    )


def downgrade() -> None:
    op.drop_column("count_changes", "waiting")
