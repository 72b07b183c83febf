"""What admins and reviewers say and hear: people, access, webhooks, figures."""

from typing import Any

from pydantic import Field

from anymask.engine.store.projects import MAX_ANNOTATORS_PER_IMAGE
from anymask.engine.store.tables import Role
from anymask.server.schemas import (
    Line,
    Paragraphs,
    ProgressView,
    RequestModel,
    RowId,
    ViewModel,
    example,
)


class InvitationDraft(RequestModel):
    """Whom to invite, and to which projects; or whose password is to be chosen anew."""

    model_config = example(role="annotator", project_ids=[1])
    role: Role = Role.ANNOTATOR
    project_ids: list[RowId] = Field(default=[], max_length=1000)
    user_id: RowId | None = None


class InvitationView(ViewModel):
    """The secret to hand over; it is shown once."""

    secret: str
    role: Role
    expires_at: float


class UserChange(RequestModel):
    """What to change of an account; what is left out stays."""

    role: Role | None = None
    is_active: bool | None = None


class AuditView(ViewModel):
    """Something that an admin did."""

    id: int
    user_id: int
    action: str
    data: dict[str, Any]
    happened_at: float


class ProjectChange(RequestModel):
    """What to change of a project; what is left out stays."""

    model_config = example(annotators_per_image=2)
    guideline: Paragraphs | None = Field(default=None, max_length=20_000)
    annotators_per_image: int | None = Field(default=None, ge=1, le=MAX_ANNOTATORS_PER_IMAGE)


class MembersDraft(RequestModel):
    """Accounts that shall see a project."""

    model_config = example(user_ids=[2, 3])
    user_ids: list[RowId] = Field(max_length=1000)


class WebhookDraft(RequestModel):
    """A URL that is to be told what happens in a project."""

    model_config = example(url="https://example.org/anymask")
    url: Line = Field(max_length=2000)


class WebhookView(ViewModel):
    """A webhook, without its secret."""

    id: int
    url: str
    created_at: float


class NewWebhookView(WebhookView):
    """A webhook that was just made; the secret that signs is shown once."""

    secret: str


class DeliveryView(ViewModel):
    """Something that a webhook was told; `next_at` is null once it was heard or given up."""

    id: int
    event: str
    data: dict[str, Any]
    created_at: float
    attempts: int
    next_at: float | None
    answer: str


class EffortView(ViewModel):
    """What masks cost, without idle time; `quartiles` of the seconds, the median in the middle."""

    masks: int
    mean_seconds: float
    quartiles: tuple[float, float, float]
    mean_clicks: float
    brushed_share: float


class DayView(EffortView):
    """What one day's masks of one model cost."""

    day: int
    model_id: str


class AgreementView(ViewModel):
    """How far people agree who annotated the same picture; masks match from an IoU of 0.5 on."""

    pairs: int
    matched_share: float | None
    mean_iou: float | None


class PrefillView(ViewModel):
    """What people made of the masks that the engine had put into images that are handed in."""

    masks: int
    kept: int
    changed: int
    deleted: int


class StatisticsView(ViewModel):
    """A project's figures; days are counted from 1970, a model "" is drawing by hand."""

    progress: ProgressView
    masks_per_image: float | None
    own_masks_per_image: float | None
    prefilled: PrefillView
    overall: EffortView | None
    by_day: dict[int, EffortView]
    by_day_and_model: list[DayView]
    by_model: dict[str, EffortView]
    by_user: dict[int, EffortView]
    user_names: dict[int, str]
    agreement: AgreementView
