"""Where stored masks are from: photo, author, model and prompts, also of those deleted since."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from anymask.engine.store.tables import Annotation, Image, Project, User


@dataclass(frozen=True, kw_only=True)
class MaskOrigin:
    """Where a stored mask is from.

    Attributes:
        annotation_id: its UUID.
        version: how often it was saved.
        is_deleted: whether its annotator took it back.
        digest: SHA-256 of the photo's file.
        photo: the photo's name.
        project: of the round.
        author: the account's name.
        model_id: of the model that helped; None for one drawn by hand.
        predicted_iou: that model's estimate.
        prompts: clicks and boxes that led to it.
        created_at: seconds since 1970.
    """

    annotation_id: str
    version: int
    is_deleted: bool
    digest: str
    photo: str
    project: str
    author: str
    model_id: str | None
    predicted_iou: float | None
    prompts: dict[str, Any]
    created_at: float


def origin_of_mask(session: Session, annotation_id: str) -> MaskOrigin | None:
    """Return where a mask is from; None if there is no such mask."""
    found = _origins(session, Annotation.id == annotation_id)
    return found[0] if found else None


def origins_on_photo(session: Session, digest: str) -> tuple[MaskOrigin, ...]:
    """Return where the masks on a photo are from, in all projects."""
    return _origins(session, Image.digest == digest)


def origins_by_author(session: Session, author: str) -> tuple[MaskOrigin, ...]:
    """Return where the masks of an account are from."""
    return _origins(session, User.name == author)


def origins_with_model(session: Session, model_id: str) -> tuple[MaskOrigin, ...]:
    """Return where the masks are from that a model helped with."""
    return _origins(session, Annotation.model_id == model_id)


def _origins(session: Session, condition: ColumnElement[bool]) -> tuple[MaskOrigin, ...]:
    query = (
        select(Annotation, Image, Project.name, User.name)
        .join(Image, Image.id == Annotation.image_id)
        .join(Project, Project.id == Image.project_id)
        .join(User, User.id == Annotation.author_id)
        .where(condition)
        .order_by(Image.id, Annotation.position, Annotation.id)
    )
    return tuple(
        MaskOrigin(
            annotation_id=mask.id,
            version=mask.version,
            is_deleted=mask.is_deleted,
            digest=image.digest,
            photo=image.name,
            project=project,
            author=author,
            model_id=mask.model_id,
            predicted_iou=mask.predicted_iou,
            prompts=mask.prompts,
            created_at=mask.created_at,
        )
        for mask, image, project, author in session.execute(query)
    )
