"""What travels, as JSON: unknown keys are errors, times are seconds since 1970 (UTC)."""

from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from anymask.engine.store.projects import MAX_ANNOTATORS_PER_IMAGE
from anymask.engine.store.tables import Decision, ImageState, Role


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("must have visible characters only")
    return text


def _without_null(text: str) -> str:
    if "\0" in text:  # PostgreSQL cannot keep it
        raise ValueError("must not have the character 0")
    return text


Line = Annotated[str, AfterValidator(_printable)]
Paragraphs = Annotated[str, AfterValidator(_without_null)]
RowId = Annotated[int, Field(ge=1, le=2**31 - 1)]


class RequestModel(BaseModel):
    """Anything that comes in."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ViewModel(BaseModel):
    """Anything that goes out."""

    model_config = ConfigDict(from_attributes=True, frozen=True)


def example(**values: Any) -> ConfigDict:
    """Return what puts an example into the API's description."""
    return ConfigDict(json_schema_extra={"examples": [values]})


class ErrorView(ViewModel):
    """Any answer with a status of 400 and above."""

    model_config = example(error="version must be the stored one, got 1.", field="version")
    error: str
    field: str | None


class Login(RequestModel):
    """Name and password."""

    model_config = example(name="ada", password="correct horse battery")
    name: Paragraphs = Field(max_length=200)
    password: str = Field(max_length=200)


class UserView(ViewModel):
    """An account."""

    id: int
    name: str
    role: Role
    is_active: bool


class SessionView(ViewModel):
    """Who is logged in. `csrf_token` goes into X-CSRF-Token of requests that change things."""

    user: UserView
    csrf_token: str | None


class InvitationAnswer(RequestModel):
    """An invited person's choice of name and password; of one's own account the name is that."""

    secret: str = Field(max_length=100)
    name: str = Field(max_length=200)
    password: str = Field(max_length=200)


class PasswordChange(RequestModel):
    """The old password and the new one."""

    password: str = Field(max_length=200)
    new_password: str = Field(max_length=200)


class TokenDraft(RequestModel):
    """What a token is for."""

    model_config = example(label="nightly export")
    label: Line = Field(min_length=1, max_length=100)


class TokenView(ViewModel):
    """A token of a program; without the token itself."""

    id: int
    label: str
    created_at: float


class NewTokenView(TokenView):
    """A token that was just made; `token` is shown once."""

    token: str


class ProjectDraft(RequestModel):
    """A project to be."""

    model_config = example(name="street scenes", guideline="Everything you could name.")
    name: Line = Field(min_length=1, max_length=100)
    guideline: Paragraphs = Field(default="", max_length=20_000)
    annotators_per_image: int = Field(default=1, ge=1, le=MAX_ANNOTATORS_PER_IMAGE)


class ProgressView(ViewModel):
    """Images by state, and the number of masks; an image counts for each of its annotators."""

    waiting: int
    submitted: int
    accepted: int
    rejected: int
    masks: int


class ProjectView(ViewModel):
    """A project and how far it has come."""

    id: int
    name: str
    guideline: str
    annotators_per_image: int
    created_at: float
    progress: ProgressView


class ImageView(ViewModel):
    """An image; its file is at /api/images/{id}/file and never changes.

    One that several people annotate is listed once for each of them, with another `copy_number`.
    """

    id: int
    project_id: int
    name: str
    digest: str
    copy_number: int
    media_type: str
    width: int
    height: int
    state: ImageState
    annotator_id: int | None
    lease_user_id: int | None
    lease_until: float


class ListedImageView(ImageView):
    """An image in a list."""

    masks: int


class RleModel(RequestModel):
    """A mask as COCO's run lengths: column-major, background first. `size` is [height, width]."""

    model_config = example(size=[3, 3], counts="013000")
    size: tuple[int, int]
    counts: str | list[int]


class AnnotationDraft(RequestModel):
    """A mask to save.

    `version` is the stored version that it is a change of, 0 for a new mask; `position` its place
    in the order of prominence.
    """

    model_config = example(
        image_id=7,
        version=0,
        segmentation={"size": [3, 3], "counts": "013000"},
        position=0,
        model_id="small",
        predicted_iou=0.93,
        prompts={"point_coords": [[1, 1]], "point_labels": [1]},
    )
    image_id: RowId
    version: int = Field(ge=0, le=2**31 - 1)
    segmentation: RleModel
    position: int = Field(ge=0, le=1_000_000)
    name: Line = Field(default="", max_length=100)
    model_id: Line | None = Field(default=None, max_length=100)
    predicted_iou: float | None = Field(default=None, ge=0, le=1)
    prompts: "PromptModel" = Field(default_factory=lambda: PromptModel())


class PromptModel(RequestModel):
    """Clicks and a box, in pixels of the image; a label is 1 for foreground, 0 for background.

    `source` says what found a mask that no person did, and `score` how sure it was.
    """

    model_config = example(point_coords=[[320, 240]], point_labels=[1])
    point_coords: list[tuple[float, float]] = Field(default=[], max_length=1000)
    point_labels: list[Literal[0, 1]] = Field(default=[], max_length=1000)
    box: tuple[float, float, float, float] | None = None
    text: Line | None = Field(default=None, max_length=200)
    source: Line | None = Field(default=None, max_length=40)
    score: float | None = Field(default=None, ge=0, le=1)


class AnnotationView(ViewModel):
    """A stored mask; `counts` are compressed run lengths at the image's size."""

    id: str
    image_id: int
    version: int
    author_id: int
    position: int
    counts: str
    area: int
    name: str
    model_id: str | None
    predicted_iou: float | None
    prompts: dict[str, Any]
    is_deleted: bool
    created_at: float
    updated_at: float


class WorkView(ViewModel):
    """An image to work on, leased to whoever asked, and the masks that it has."""

    image: ImageView
    annotations: list[AnnotationView]


class ActionModel(RequestModel):
    """One thing that was done, `age_seconds` before it is sent; the server's clock stamps it."""

    model_config = example(kind="click", age_seconds=0.8, data={"x": 320, "y": 240, "label": 1})
    kind: Literal[
        "open", "click", "box", "stroke", "text", "choice", "undo", "redo", "name", "delete", "save"
    ]
    annotation_id: UUID | None = None
    age_seconds: float = Field(default=0, ge=0, le=3600)
    data: dict[Line, float | int | Line | bool | None] = Field(default={}, max_length=20)


class ReviewDraft(RequestModel):
    """A decision about a submitted image; a rejection needs a reason."""

    model_config = example(decision="reject", reason="The dog's tail is missing.")
    decision: Decision
    reason: Paragraphs = Field(default="", max_length=2000)


class ReviewView(ViewModel):
    """A decision that was made."""

    id: int
    image_id: int
    reviewer_id: int
    decision: Decision
    reason: str
    decided_at: float


class MaskQuestion(RequestModel):
    """Clicks and a box that the server answers; `mask_input` is one of an earlier answer's logits.

    `mask_input` is base64 of float16, row by row, as `low_res_logits` of the answer are.
    """

    model_config = example(point_coords=[[320, 240]], point_labels=[1])
    point_coords: list[tuple[float, float]] = Field(default=[], max_length=200)
    point_labels: list[Literal[0, 1]] = Field(default=[], max_length=200)
    box: tuple[float, float, float, float] | None = None
    mask_input: str | None = Field(default=None, max_length=2_000_000)
    multimask_output: bool | None = None


class MaskAnswer(ViewModel):
    """One of the masks of a prompt."""

    segmentation: RleModel
    predicted_iou: float
    low_res_logits: str


class ModelView(ViewModel):
    """The model that the server answers with; `mask_size` is the side of its logits.

    `decoder_key` names the content of its decoder's graph (/api/model/decoder).
    """

    model_id: str
    image_size: int
    mask_size: int
    mask_threshold: float
    decoder_key: str
    has_text: bool


class MaskAnswers(ViewModel):
    """All masks of a prompt; `best` is the index of the highest predicted IoU."""

    model_id: str
    best: int
    masks: list[MaskAnswer]


class TextQuestion(RequestModel):
    """Words for what to look for in an image."""

    model_config = example(text="dog")
    text: Line = Field(min_length=1, max_length=200)


class FoundInstance(ViewModel):
    """One instance of a text; `score` tells how well mask and words fit."""

    segmentation: RleModel
    score: float
    predicted_iou: float


class FoundInstances(ViewModel):
    """All instances of a text, best first; there may be none."""

    model_id: str
    instances: list[FoundInstance]


class FormatView(ViewModel):
    """A format of annotation files; `name` is what exports are asked for with."""

    name: str
    title: str


class ProblemView(ViewModel):
    """A file that could not be imported, and why."""

    file: str
    text: str


class ImportView(ViewModel):
    """How far an import has come; `total` is 0 until that is known.

    `images` are in the project now, new or known; `masks` were added.
    """

    id: str
    project_id: int
    name: str
    status: Literal["waiting", "running", "done", "failed"]
    done: int
    total: int
    images: int
    masks: int
    problems: list[ProblemView]
    num_problems: int
    created_at: float


class ImportedMask(RequestModel):
    """A mask that was made elsewhere, with what is known about it."""

    model_config = example(segmentation={"size": [3, 3], "counts": "013000"}, name="cat")
    segmentation: RleModel
    name: Line = Field(default="", max_length=100)
    is_crowd: bool = False
    predicted_iou: float | None = Field(default=None, ge=0, le=1)
    point_coords: list[tuple[float, float]] = Field(default=[], max_length=1000)


class ImportedMasks(RequestModel):
    """Masks of one image, in order of prominence."""

    masks: list[ImportedMask] = Field(max_length=10_000)


class AddedView(ViewModel):
    """How many masks were new."""

    added: int
