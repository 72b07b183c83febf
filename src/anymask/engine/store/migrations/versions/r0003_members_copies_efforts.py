"""Members of projects, several annotators an image, what each mask cost, how far people agree."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_IDLE_SECONDS = 60

# The time up to an event belongs to its mask, a long pause to none.
_EFFORTS_OF_THE_LOG = f"""
INSERT INTO efforts (annotation_id, user_id, image_id, seconds, clicks, strokes, finished_at)
SELECT annotation_id, user_id, MIN(image_id),
       SUM(CASE WHEN pause <= {_IDLE_SECONDS} THEN pause ELSE 0 END),
       SUM(CASE WHEN kind = 'click' THEN 1 ELSE 0 END),
       SUM(CASE WHEN kind = 'stroke' THEN 1 ELSE 0 END),
       MAX(happened_at)
FROM (
    SELECT annotation_id, user_id, image_id, kind, happened_at,
           happened_at - LAG(happened_at)
               OVER (PARTITION BY image_id, user_id ORDER BY id) AS pause
    FROM events
) AS paused
WHERE annotation_id IS NOT NULL
GROUP BY annotation_id, user_id
"""


def upgrade() -> None:
    """Add the tables; everybody stays where they could work before, each image has one set."""
    op.create_table(
        "memberships",
        sa.Column("project_id", sa.Integer, sa.ForeignKey("projects.id"), primary_key=True),
        sa.Column("user_id", sa.Integer, sa.ForeignKey("users.id"), primary_key=True, index=True),
    )
    op.execute(
        "INSERT INTO memberships (project_id, user_id) "
        "SELECT projects.id, users.id FROM projects CROSS JOIN users"
    )
    op.add_column(
        "projects",
        sa.Column("annotators_per_image", sa.Integer, nullable=False, server_default="1"),
    )
    op.add_column(
        "images", sa.Column("copy_number", sa.Integer, nullable=False, server_default="0")
    )
    names = {"uq": "images_%(column_0_name)s_digest_key"}  # as PostgreSQL had named it
    with op.batch_alter_table("images", naming_convention=names) as images:
        images.drop_constraint("images_project_id_digest_key", type_="unique")
        images.create_unique_constraint(
            "images_by_content", ["project_id", "digest", "copy_number"]
        )
    op.create_index("images_by_lease", "images", ["lease_user_id"])
    with op.batch_alter_table("invitations") as invitations:
        invitations.add_column(
            sa.Column("user_id", sa.Integer, sa.ForeignKey("users.id", name="invitations_user"))
        )
        invitations.add_column(
            sa.Column("project_ids", sa.JSON, nullable=False, server_default="[]")
        )
    op.create_table(
        "efforts",
        sa.Column("annotation_id", sa.String(36), primary_key=True),
        sa.Column("user_id", sa.Integer, sa.ForeignKey("users.id"), primary_key=True),
        sa.Column("image_id", sa.Integer, sa.ForeignKey("images.id"), nullable=False, index=True),
        sa.Column("seconds", sa.Double, nullable=False),
        sa.Column("clicks", sa.Integer, nullable=False),
        sa.Column("strokes", sa.Integer, nullable=False),
        sa.Column("finished_at", sa.Double, nullable=False),
    )
    op.execute(_EFFORTS_OF_THE_LOG)
    op.create_table(
        "agreements",
        sa.Column("first_image_id", sa.Integer, sa.ForeignKey("images.id"), primary_key=True),
        sa.Column(
            "second_image_id",
            sa.Integer,
            sa.ForeignKey("images.id"),
            primary_key=True,
            index=True,
        ),
        sa.Column("masks", sa.Integer, nullable=False),
        sa.Column("matched", sa.Integer, nullable=False),
        sa.Column("iou_sum", sa.Double, nullable=False),
    )
