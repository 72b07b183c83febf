"""The tables of audits and rating studies."""

from typing import Any

from sqlalchemy import ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from anymask.engine.store.tables import Row


class AuditedMask(Row):
    """A mask of a data set as it was when it came into an audit; people correct its annotation."""

    __tablename__ = "audited_masks"

    annotation_id: Mapped[str] = mapped_column(ForeignKey("annotations.id"), primary_key=True)
    image_id: Mapped[int] = mapped_column(ForeignKey("images.id"), index=True)
    mask_id: Mapped[str] = mapped_column(String(64))
    """In the data set."""
    counts: Mapped[str] = mapped_column(Text)
    """COCO's compressed run lengths; the size is the image's."""


class RatingJob(Row):
    """A mask of one source that people rate without knowing the source."""

    __tablename__ = "rating_jobs"
    __table_args__ = (
        UniqueConstraint("image_id", "object_key", "source", name="rating_jobs_by_mask"),
        Index("rating_jobs_in_order", "project_id", "place"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"))
    image_id: Mapped[int] = mapped_column(ForeignKey("images.id"))
    object_key: Mapped[str] = mapped_column(String(64))
    """Masks of one object on one image share it, whatever their source."""
    source: Mapped[str] = mapped_column(String(64))
    place: Mapped[float]
    """In the shuffled order, in [0, 1)."""
    raters: Mapped[int]
    """How many people are to rate it."""
    counts: Mapped[str] = mapped_column(Text)
    prompt: Mapped[dict[str, Any]]
    """What asked for the mask: `{"points": [[x, y], ...]}`, or nothing."""


class Rating(Row):
    """What one person says of one job; opened first, rated later."""

    __tablename__ = "ratings"

    job_id: Mapped[int] = mapped_column(ForeignKey("rating_jobs.id"), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True, index=True)
    score: Mapped[int | None]
    """1 to 10; None while it is open."""
    seconds: Mapped[float]
    """Without idle time, up to `seen_at`."""
    seen_at: Mapped[float]
