"""The database's tables. Rows are plain values once their session has ended: nothing loads later.

Times are seconds since 1970 (UTC), as the server's clock has them; no browser's clock is trusted.
"""

import enum
from typing import Any

from sqlalchemy import JSON, Enum, ForeignKey, Index, String, Text, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import Double


class Role(enum.StrEnum):
    """What somebody may do; each role may do what those before it may."""

    ANNOTATOR = "annotator"
    REVIEWER = "reviewer"
    ADMIN = "admin"

    def includes(self, other: "Role") -> bool:
        """Whether one with this role may do what `other` may."""
        order = list(Role)
        return order.index(self) >= order.index(other)


class ImageState(enum.StrEnum):
    """How far an image has come."""

    WAITING = "waiting"
    SUBMITTED = "submitted"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    """Sent back to its annotator with a reason."""


class Decision(enum.StrEnum):
    """What a reviewer says of an image's masks."""

    ACCEPT = "accept"
    FIX = "fix"
    """Accepted after the reviewer corrected the masks."""
    REJECT = "reject"


def _words(kind: type[enum.StrEnum]) -> Enum:
    """A column of these words; checked here, so that a new word needs no migration."""
    return Enum(
        kind, native_enum=False, length=16, values_callable=lambda words: [w.value for w in words]
    )


class Row(DeclarativeBase):
    """A row of any table."""

    type_annotation_map = {  # noqa: RUF012  SQLAlchemy reads it from the class
        float: Double(),
        dict[str, Any]: JSON(),
        Role: _words(Role),
        ImageState: _words(ImageState),
        Decision: _words(Decision),
    }


class User(Row):
    """Somebody with an account."""

    __tablename__ = "users"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(64), unique=True)
    password_hash: Mapped[str] = mapped_column(Text)
    role: Mapped[Role]
    is_active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[float]


class Invitation(Row):
    """A secret that lets one person make an account. Only its hash is kept."""

    __tablename__ = "invitations"

    secret_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    role: Mapped[Role]
    invited_by: Mapped[int] = mapped_column(ForeignKey("users.id"))
    expires_at: Mapped[float]


class LoginSession(Row):
    """A browser that is logged in. Only the hash of its cookie is kept."""

    __tablename__ = "login_sessions"

    secret_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    csrf_token: Mapped[str] = mapped_column(String(64))
    expires_at: Mapped[float]


class ApiToken(Row):
    """A program that acts for somebody. Only the token's hash is kept."""

    __tablename__ = "api_tokens"

    id: Mapped[int] = mapped_column(primary_key=True)
    secret_hash: Mapped[str] = mapped_column(String(64), unique=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    label: Mapped[str] = mapped_column(String(100))
    created_at: Mapped[float]


class Project(Row):
    """A set of images that are annotated under one guideline."""

    __tablename__ = "projects"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    guideline: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[float]


class Image(Row):
    """One picture of a project, whose file lies in the blobs under its digest.

    Whoever works on it holds its lease: `lease_user_id` until `lease_until`. The lease is part of
    the row, so that locking the row is all that giving it away needs.
    """

    __tablename__ = "images"
    __table_args__ = (
        UniqueConstraint("project_id", "digest"),
        Index("images_by_state", "project_id", "state", "id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"))
    digest: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(String(255))
    media_type: Mapped[str] = mapped_column(String(32))
    width: Mapped[int]
    height: Mapped[int]
    state: Mapped[ImageState] = mapped_column(default=ImageState.WAITING)
    annotator_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    lease_user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    lease_until: Mapped[float] = mapped_column(default=0.0)
    created_at: Mapped[float]


class Annotation(Row):
    """One mask. Its id is a UUID that the client made, so that a repeated save adds nothing.

    A deleted one stays as a row without meaning, so that a late save to it is seen as a conflict.
    """

    __tablename__ = "annotations"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    image_id: Mapped[int] = mapped_column(ForeignKey("images.id"), index=True)
    version: Mapped[int]
    author_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    position: Mapped[int]
    """Order of prominence, from 0."""
    counts: Mapped[str] = mapped_column(Text)
    """COCO's compressed run lengths; the size is the image's."""
    area: Mapped[int]
    name: Mapped[str] = mapped_column(String(100), default="")
    model_id: Mapped[str | None] = mapped_column(String(100))
    predicted_iou: Mapped[float | None]
    prompts: Mapped[dict[str, Any]]
    """The clicks and boxes that led to the mask."""
    is_deleted: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[float]
    updated_at: Mapped[float]


class Event(Row):
    """Something an annotator did, in the order and at the times that the server saw."""

    __tablename__ = "events"
    __table_args__ = (Index("events_in_order", "image_id", "user_id", "id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    image_id: Mapped[int] = mapped_column(ForeignKey("images.id"))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    annotation_id: Mapped[str | None] = mapped_column(String(36))
    kind: Mapped[str] = mapped_column(String(32))
    data: Mapped[dict[str, Any]]
    happened_at: Mapped[float]


class Review(Row):
    """What a reviewer decided about an image, and why."""

    __tablename__ = "reviews"

    id: Mapped[int] = mapped_column(primary_key=True)
    image_id: Mapped[int] = mapped_column(ForeignKey("images.id"), index=True)
    reviewer_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    decision: Mapped[Decision]
    reason: Mapped[str] = mapped_column(Text, default="")
    decided_at: Mapped[float]


class IdempotencyKey(Row):
    """A request that was answered, and its answer, for when the answer is lost on the way."""

    __tablename__ = "idempotency_keys"

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)
    key: Mapped[str] = mapped_column(String(100), primary_key=True)
    request_hash: Mapped[str] = mapped_column(String(64))
    answer: Mapped[dict[str, Any]]
    created_at: Mapped[float] = mapped_column(index=True)
