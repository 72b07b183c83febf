"""Masks that were made elsewhere, added to an image once, however often they come."""

import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from anymask.core.annotated import AnnotatedMask
from anymask.core.errors import ConflictError
from anymask.engine.store.annotations import MaskDraft, values_of
from anymask.engine.store.projects import get_image
from anymask.engine.store.tables import Annotation, Image, ImageState, User

_OPEN = (ImageState.WAITING, ImageState.REJECTED)
# An imported mask's UUID is made of its image and content in this space.
_SPACE = uuid.UUID("0a9d3b1e-6c0f-5b7e-9f4e-2f2f5b8c7d11")


def import_masks(
    session: Session, image_id: int, masks: Sequence[AnnotatedMask], user: User, now: float
) -> int:
    """Add masks behind those that an image has, return how many of them were new.

    A mask is known by its pixels and name: one that came before, also one that was changed or
    deleted since, is passed over. Masks without pixels are, too.

    Args:
        session: writing.
        image_id: of the image, which must be open for work.
        masks: of the image's size, in order of prominence.
        user: their author.
        now: seconds since 1970.

    Raises:
        NotFoundError: there is no such image.
        ConflictError: somebody works on the image, or it was submitted, and a mask is new.
    """
    drafts = [_draft(mask) for mask in masks if mask.segmentation.area]
    return len(add_drafts(session, image_id, drafts, user, now))


def add_drafts(
    session: Session, image_id: int, drafts: Sequence[MaskDraft], user: User, now: float
) -> list[str]:
    """Add masks behind those that an image has, return the ids of those that were new.

    As `import_masks`; the drafts' own positions do not count, only their order.
    """
    image = get_image(session, image_id, lock=True)
    rows = {row.id: row for row in (_row(image, draft, user, now) for draft in drafts)}
    known = set(session.scalars(select(Annotation.id).where(Annotation.image_id == image_id)))
    added = [row for row in rows.values() if row.id not in known]
    if added:
        _check_open(image, user, now)
        last = session.scalar(
            select(func.max(Annotation.position)).where(Annotation.image_id == image_id)
        )
        for position, row in enumerate(added, 0 if last is None else last + 1):
            row.position = position
        session.add_all(added)
        session.flush()
    return [row.id for row in added]


def list_copies(session: Session, project_id: int, digest: str) -> list[int]:
    """Return the ids of the images of that content; several where several people annotate it."""
    query = select(Image.id).where(Image.project_id == project_id, Image.digest == digest)
    return list(session.scalars(query.order_by(Image.id)))


def id_of_content(image_id: int, name: str, counts: str) -> str:
    """Return the UUID of a mask that was added: of its image, name and pixels."""
    return str(uuid.uuid5(_SPACE, f"{image_id} {name} {counts}"))


def _draft(mask: AnnotatedMask) -> MaskDraft:
    prompts: dict[str, Any] = {"is_crowd": True} if mask.is_crowd else {}
    if mask.point_coords:
        prompts["point_coords"] = [list(point) for point in mask.point_coords]
        prompts["point_labels"] = [1] * len(mask.point_coords)
    return MaskDraft(
        segmentation=mask.segmentation,
        position=0,
        name=mask.name,
        predicted_iou=mask.predicted_iou,
        prompts=prompts,
    )


def _row(image: Image, draft: MaskDraft, user: User, now: float) -> Annotation:
    values = values_of(draft)
    return Annotation(
        id=id_of_content(image.id, draft.name, values["counts"]),
        image_id=image.id,
        version=1,
        author_id=user.id,
        is_deleted=False,
        created_at=now,
        updated_at=now,
        **values,
    )


def _check_open(image: Image, user: User, now: float) -> None:
    if image.state not in _OPEN:
        raise ConflictError(
            f"image {image.id} must be waiting or rejected, got {image.state}. Send it back first.",
            "state",
        )
    if image.lease_user_id not in (None, user.id) and image.lease_until > now:
        raise ConflictError(
            f"image {image.id} must be free, got one that somebody works on. Try again later.",
            "lease",
        )
