"""Failed logins, which all processes count together, and what administrators did."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "attempts",
        sa.Column("key_hash", sa.String(64), primary_key=True),
        sa.Column("failed_at", sa.JSON, nullable=False),
        sa.Column("last_at", sa.Double, nullable=False, index=True),
    )
    op.create_table(
        "audit_entries",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("user_id", sa.Integer, sa.ForeignKey("users.id"), nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("data", sa.JSON, nullable=False),
        sa.Column("happened_at", sa.Double, nullable=False),
    )
