"""Audits of finished data sets, and ratings of masks."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Add the tables."""
    op.create_table(
        "audited_masks",
        sa.Column(
            "annotation_id", sa.String(36), sa.ForeignKey("annotations.id"), primary_key=True
        ),
        sa.Column("image_id", sa.Integer, sa.ForeignKey("images.id"), nullable=False, index=True),
        sa.Column("mask_id", sa.String(64), nullable=False),
        sa.Column("counts", sa.Text, nullable=False),
    )
    op.create_table(
        "rating_jobs",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("project_id", sa.Integer, sa.ForeignKey("projects.id"), nullable=False),
        sa.Column("image_id", sa.Integer, sa.ForeignKey("images.id"), nullable=False),
        sa.Column("object_key", sa.String(64), nullable=False),
        sa.Column("source", sa.String(64), nullable=False),
        sa.Column("place", sa.Double, nullable=False),
        sa.Column("raters", sa.Integer, nullable=False),
        sa.Column("counts", sa.Text, nullable=False),
        sa.Column("prompt", sa.JSON, nullable=False),
        sa.UniqueConstraint("image_id", "object_key", "source", name="rating_jobs_by_mask"),
    )
    op.create_index("rating_jobs_in_order", "rating_jobs", ["project_id", "place"])
    op.create_table(
        "ratings",
        sa.Column("job_id", sa.Integer, sa.ForeignKey("rating_jobs.id"), primary_key=True),
        sa.Column("user_id", sa.Integer, sa.ForeignKey("users.id"), primary_key=True, index=True),
        sa.Column("score", sa.Integer),
        sa.Column("seconds", sa.Double, nullable=False),
        sa.Column("seen_at", sa.Double, nullable=False),
    )
