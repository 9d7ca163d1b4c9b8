"""What other systems' APIs say of an integration, and the key as which one publishes."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_OF_INTEGRATION = "integration_id IS NOT NULL"


def upgrade() -> None:
    op.add_column(
        "integrations",
        sa.Column(
            "extras",
            sa.Text(),
            server_default="{}",
            nullable=False,
            comment="what other systems say of it, by system",
        ),
    )
    op.add_column(
        "api_keys",
        sa.Column(
            "integration_id",
            sa.Uuid(),
            nullable=True,
            comment="as which integration it publishes, and with which it ends",
        ),
    )
    op.create_index(
        "ix_api_keys_integration",
        "api_keys",
        ["integration_id"],
        unique=False,
        postgresql_where=sa.text(_OF_INTEGRATION),
        sqlite_where=sa.text(_OF_INTEGRATION),
    )


def downgrade() -> None:
    op.drop_index("ix_api_keys_integration", table_name="api_keys")
    op.drop_column("api_keys", "integration_id")
    op.drop_column("integrations", "extras")
