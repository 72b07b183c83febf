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
        list[int]: JSON(),
        list[float]: JSON(),
        list[dict[str, Any]]: JSON(),
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

    @property
    def sees_all_projects(self) -> bool:
        """Whether no membership is needed."""
        return self.role is Role.ADMIN


class Invitation(Row):
    """A secret that lets one person make an account. Only its hash is kept.

    With `user_id` it lets the owner of that account choose a new password instead.
    """

    __tablename__ = "invitations"

    secret_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    role: Mapped[Role]
    invited_by: Mapped[int] = mapped_column(ForeignKey("users.id"))
    expires_at: Mapped[float]
    user_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    project_ids: Mapped[list[int]]
    """The projects that the new account is a member of."""


class LoginSession(Row):
    """A browser that is logged in. Only the hash of its cookie is kept."""

    __tablename__ = "login_sessions"

    secret_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    csrf_token: Mapped[str] = mapped_column(String(64))
    expires_at: Mapped[float]


class Identity(Row):
    """An account as an identity provider knows it."""

    __tablename__ = "identities"

    issuer: Mapped[str] = mapped_column(String(255), primary_key=True)
    subject: Mapped[str] = mapped_column(String(255), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), index=True)


class PendingLogin(Row):
    """A browser that was sent to the identity provider and has not come back."""

    __tablename__ = "pending_logins"

    state_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    nonce: Mapped[str] = mapped_column(String(64))
    verifier: Mapped[str] = mapped_column(String(64))
    invitation_hash: Mapped[str | None] = mapped_column(String(64))
    expires_at: Mapped[float]


class ApiToken(Row):
    """A program that acts for somebody. Only the token's hash is kept."""

    __tablename__ = "api_tokens"

    id: Mapped[int] = mapped_column(primary_key=True)
    secret_hash: Mapped[str] = mapped_column(String(64), unique=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    label: Mapped[str] = mapped_column(String(100))
    created_at: Mapped[float]


class Attempts(Row):
    """When somebody failed to log in lately, by a hash of an address or of a name."""

    __tablename__ = "attempts"

    key_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    failed_at: Mapped[list[float]]
    last_at: Mapped[float] = mapped_column(index=True)


class AuditEntry(Row):
    """What an administrator did."""

    __tablename__ = "audit_entries"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    action: Mapped[str] = mapped_column(String(64))
    data: Mapped[dict[str, Any]]
    happened_at: Mapped[float]


class Project(Row):
    """A set of images that are annotated under one guideline."""

    __tablename__ = "projects"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    guideline: Mapped[str] = mapped_column(Text, default="")
    annotators_per_image: Mapped[int] = mapped_column(default=1)
    created_at: Mapped[float]


class Membership(Row):
    """An annotator or reviewer may see a project. Admins see all of them without."""

    __tablename__ = "memberships"

    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True, index=True)


class Image(Row):
    """One picture of a project, whose file lies in the blobs under its digest.

    Whoever works on it holds its lease: `lease_user_id` until `lease_until`. The lease is part of
    the row, so that locking the row is all that giving it away needs. A picture that several people
    annotate has a row for each of them, told apart by `copy_number`: a row is one person's work,
    with its own masks, state and reviews.
    """

    __tablename__ = "images"
    __table_args__ = (
        UniqueConstraint("project_id", "digest", "copy_number", name="images_by_content"),
        Index("images_by_state", "project_id", "state", "id"),
        Index("images_by_lease", "lease_user_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"))
    digest: Mapped[str] = mapped_column(String(64))
    copy_number: Mapped[int] = mapped_column(default=0)
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


class Effort(Row):
    """What one mask cost one person so far; kept with each event, so that figures need no log."""

    __tablename__ = "efforts"

    annotation_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)
    image_id: Mapped[int] = mapped_column(ForeignKey("images.id"), index=True)
    seconds: Mapped[float] = mapped_column(default=0.0)
    """Without idle time."""
    clicks: Mapped[int] = mapped_column(default=0)
    strokes: Mapped[int] = mapped_column(default=0)
    finished_at: Mapped[float]


class Agreement(Row):
    """How far two people's masks of one picture agree, as they were when the later one was done."""

    __tablename__ = "agreements"

    first_image_id: Mapped[int] = mapped_column(ForeignKey("images.id"), primary_key=True)
    second_image_id: Mapped[int] = mapped_column(
        ForeignKey("images.id"), primary_key=True, index=True
    )
    masks: Mapped[int]
    """Of both."""
    matched: Mapped[int]
    """Of both; each pair counts two."""
    iou_sum: Mapped[float]
    """Over the pairs."""


class Review(Row):
    """What a reviewer decided about an image, and why."""

    __tablename__ = "reviews"

    id: Mapped[int] = mapped_column(primary_key=True)
    image_id: Mapped[int] = mapped_column(ForeignKey("images.id"), index=True)
    reviewer_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
    decision: Mapped[Decision]
    reason: Mapped[str] = mapped_column(Text, default="")
    decided_at: Mapped[float]


class Concealment(Row):
    """What of a picture must not be recognisable in a release; all copies of it share it."""

    __tablename__ = "concealments"

    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    regions: Mapped[list[dict[str, Any]]]
    """As `Region.to_json` of the data set layer gives them."""
    version: Mapped[int]
    reviewer_id: Mapped[int | None] = mapped_column(ForeignKey("users.id"))
    """Who said last that these are all; None while nobody has."""
    updated_at: Mapped[float]


class Webhook(Row):
    """A URL that is told what happens in a project. The secret signs: it is kept as it is."""

    __tablename__ = "webhooks"

    id: Mapped[int] = mapped_column(primary_key=True)
    project_id: Mapped[int] = mapped_column(ForeignKey("projects.id"), index=True)
    url: Mapped[str] = mapped_column(Text)
    secret: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[float]


class Delivery(Row):
    """Something that a webhook is to be told, until it has heard it."""

    __tablename__ = "deliveries"

    id: Mapped[int] = mapped_column(primary_key=True)
    webhook_id: Mapped[int] = mapped_column(
        ForeignKey("webhooks.id", ondelete="CASCADE"), index=True
    )
    event: Mapped[str] = mapped_column(String(32))
    data: Mapped[dict[str, Any]]
    created_at: Mapped[float]
    attempts: Mapped[int] = mapped_column(default=0)
    next_at: Mapped[float | None] = mapped_column(index=True)
    """When it is tried again; None once it was heard or given up."""
    answer: Mapped[str] = mapped_column(String(200), default="")
    """The last attempt's: a status, or why there was none."""


class IdempotencyKey(Row):
    """A request that was answered, and its answer, for when the answer is lost on the way."""

    __tablename__ = "idempotency_keys"

    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)
    key: Mapped[str] = mapped_column(String(100), primary_key=True)
    request_hash: Mapped[str] = mapped_column(String(64))
    answer: Mapped[dict[str, Any]]
    created_at: Mapped[float] = mapped_column(index=True)
