"""Masks of a finished data set that people correct, so that one knows how good they were."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from anymask.core.annotated import AnnotatedMask
from anymask.core.rle import Rle
from anymask.engine.store.export import annotation_rle
from anymask.engine.store.imports import id_of_content, import_masks
from anymask.engine.store.projects import get_project
from anymask.engine.store.quality_tables import AuditedMask
from anymask.engine.store.tables import Annotation, Image, ImageState, User

_DONE = (ImageState.SUBMITTED, ImageState.ACCEPTED)


@dataclass(frozen=True, kw_only=True)
class CorrectedMask:
    """A mask before and after people corrected it.

    Attributes:
        image_id: in the studio.
        mask_id: in the data set; "" for a mask that people added.
        before: None if people added it.
        after: None if people deleted it.
    """

    image_id: int
    mask_id: str
    before: Rle | None
    after: Rle | None


def add_audited(
    session: Session, image_id: int, masks: Sequence[AnnotatedMask], author: User, now: float
) -> int:
    """Put a data set's masks on an image, to be corrected; return how many were new.

    Two masks of the same pixels are one. A mask's `id` is that of the data set.

    Raises:
        NotFoundError: there is no such image.
        ConflictError: somebody works on the image, or it was submitted, and a mask is new.
    """
    import_masks(session, image_id, masks, author, now)
    known = select(AuditedMask.annotation_id).where(AuditedMask.image_id == image_id)
    rows: dict[str, AuditedMask] = {}
    for mask in masks:
        counts = mask.segmentation.to_coco()["counts"]
        annotation_id = id_of_content(image_id, mask.name, counts)
        if mask.segmentation.area:
            rows.setdefault(
                annotation_id,
                AuditedMask(
                    annotation_id=annotation_id, image_id=image_id, mask_id=mask.id, counts=counts
                ),
            )
    for annotation_id in session.scalars(known):
        rows.pop(annotation_id, None)
    session.add_all(rows.values())
    session.flush()
    return len(rows)


def corrected_masks(session: Session, project_id: int) -> Iterator[CorrectedMask]:
    """Yield all masks of a project's images that were handed in, image by image.

    Raises:
        NotFoundError: there is no such project.
    """
    get_project(session, project_id)
    images = session.scalars(
        select(Image)
        .where(Image.project_id == project_id, Image.state.in_(_DONE))
        .order_by(Image.id)
    ).all()
    for image in images:
        audited = {
            row.annotation_id: row
            for row in session.scalars(select(AuditedMask).where(AuditedMask.image_id == image.id))
        }
        rows = session.scalars(
            select(Annotation).where(Annotation.image_id == image.id).order_by(Annotation.id)
        )
        for row in rows:
            origin = audited.get(row.id)
            if origin is None and row.is_deleted:
                continue
            yield CorrectedMask(
                image_id=image.id,
                mask_id="" if origin is None else origin.mask_id,
                before=None if origin is None else annotation_rle(image, origin),
                after=None if row.is_deleted else annotation_rle(image, row),
            )
