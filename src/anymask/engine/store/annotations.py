"""Masks: saved under the client's own id, with a version, so that no save is lost or doubled."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from anymask.core.errors import ConflictError, InvalidInputError, NotFoundError
from anymask.core.rle import Rle
from anymask.engine.store.queue import check_holder
from anymask.engine.store.tables import Annotation, User


@dataclass(frozen=True, kw_only=True)
class MaskDraft:
    """A mask as its annotator wants it saved.

    Attributes:
        segmentation: of the image's size, with pixels.
        position: order of prominence, from 0.
        name: what the object is called; empty where nobody asked.
        model_id: the model that helped; None for one drawn by hand.
        predicted_iou: that model's estimate of the mask, in [0, 1].
        prompts: the clicks and boxes that led to it, as the client describes them.
    """

    segmentation: Rle
    position: int
    name: str = ""
    model_id: str | None = None
    predicted_iou: float | None = None
    prompts: dict[str, Any] = field(default_factory=dict)


class VersionConflictError(ConflictError):
    """A mask was changed by somebody else; `current` is what is stored, None if nothing is."""

    def __init__(self, text: str, current: Annotation | None) -> None:
        super().__init__(text, "version")
        self.current = current


def save(
    session: Session,
    annotation_id: str,
    image_id: int,
    version: int,
    draft: MaskDraft,
    user: User,
    now: float,
) -> Annotation:
    """Return the mask as it is stored after the save, its version one higher.

    Saying the same again changes nothing: if what is stored is just what this save would store, it
    is returned as it is.

    Args:
        session: writing.
        annotation_id: the UUID that the client gave the mask.
        image_id: the image that it lies on.
        version: the stored version that the change was made to; 0 for a new mask.
        draft: the mask.
        user: who saves; it must hold the image's lease.
        now: seconds since 1970.

    Raises:
        NotFoundError: there is no such image.
        InvalidInputError: the mask has no pixels, another size than the image, or is another
            image's.
        VersionConflictError: the stored version is another one, or the mask was deleted.
        ConflictError: somebody else works on the image.
    """
    image = check_holder(session, image_id, user)
    size = image.height, image.width
    if draft.segmentation.size != size:
        raise InvalidInputError(
            f"segmentation size must be the image's {list(size)} (height, width), got "
            f"{list(draft.segmentation.size)}. Draw the mask on the whole image."
        )
    if not draft.segmentation.area:
        raise InvalidInputError(
            "segmentation must have pixels, got an empty mask. Delete the mask instead."
        )
    values = values_of(draft)
    stored = _locked(session, annotation_id)
    if stored is None:
        if version:
            raise _conflict(version, None)
        stored = Annotation(
            id=annotation_id,
            image_id=image_id,
            version=1,
            author_id=user.id,
            is_deleted=False,
            created_at=now,
            updated_at=now,
            **values,
        )
        session.add(stored)
        session.flush()
        return stored
    _check_image(stored, image_id)
    is_same = not stored.is_deleted and all(
        getattr(stored, key) == value for key, value in values.items()
    )
    if is_same and stored.version in (version, version + 1):
        return stored
    if stored.is_deleted or stored.version != version:
        raise _conflict(version, stored)
    for key, value in values.items():
        setattr(stored, key, value)
    stored.version += 1
    stored.updated_at = now
    return stored


def remove(
    session: Session, annotation_id: str, image_id: int, version: int, user: User, now: float
) -> Annotation:
    """Return the mask, deleted; deleting it again changes nothing.

    Raises:
        NotFoundError: there is no such mask or image.
        InvalidInputError: the mask is another image's.
        VersionConflictError: it was changed since that version.
        ConflictError: somebody else works on the image.
    """
    check_holder(session, image_id, user)
    stored = _locked(session, annotation_id)
    if stored is None:
        raise NotFoundError(f"annotation must exist, got {annotation_id}. Save it first.")
    _check_image(stored, image_id)
    if stored.is_deleted:
        return stored
    if stored.version != version:
        raise _conflict(version, stored)
    stored.is_deleted = True
    stored.version += 1
    stored.updated_at = now
    return stored


def list_annotations(session: Session, image_id: int) -> list[Annotation]:
    """Return an image's masks in order of prominence, without deleted ones."""
    return list(
        session.scalars(
            select(Annotation)
            .where(Annotation.image_id == image_id, ~Annotation.is_deleted)
            .order_by(Annotation.position, Annotation.created_at, Annotation.id)
        )
    )


def _locked(session: Session, annotation_id: str) -> Annotation | None:
    """The stored mask as it is now, locked for a change."""
    return session.get(Annotation, annotation_id, with_for_update=True, populate_existing=True)


def values_of(draft: MaskDraft) -> dict[str, Any]:
    """Return the columns that a draft sets."""
    values = {
        key.name: getattr(draft, key.name)
        for key in dataclasses.fields(draft)
        if key.name != "segmentation"
    }
    rle = draft.segmentation
    return {**values, "counts": rle.to_coco()["counts"], "area": rle.area}


def _check_image(stored: Annotation, image_id: int) -> None:
    if stored.image_id != image_id:
        raise InvalidInputError(
            f"annotation must be one of image {image_id}, got one of another. Make a new UUID."
        )


def _conflict(version: int, current: Annotation | None) -> VersionConflictError:
    found = (
        "no such mask"
        if current is None
        else "a deleted mask"
        if current.is_deleted
        else f"version {current.version}"
    )
    return VersionConflictError(
        f"version must be the stored one, got {version} for {found}. Choose which one to keep.",
        current,
    )
