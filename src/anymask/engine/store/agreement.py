"""How far people agree who annotated the same picture: masks matched by IoU."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import linear_sum_assignment
from sqlalchemy import Float, cast, delete, func, or_, select
from sqlalchemy.orm import Session

from anymask.core.geometry import box_iou
from anymask.core.mask_overlap import rle_iou
from anymask.core.rle import Rle
from anymask.engine.store.tables import Agreement, Annotation, Image, ImageState

MATCHED_IOU = 0.5
"""Two masks are of one object from this IoU on."""


@dataclass(frozen=True, kw_only=True)
class AgreementFigures:
    """Agreement over pairs of people who annotated the same picture.

    Attributes:
        pairs: of two people's sets of masks of one picture.
        matched_share: of all masks in them, those that both have; None without masks.
        mean_iou: over matched masks; None without any.
    """

    pairs: int
    matched_share: float | None
    mean_iou: float | None


def match_masks(first: Sequence[Rle], second: Sequence[Rle]) -> list[tuple[int, int, float]]:
    """Return (index, index, IoU) of matched masks: the pairing with the highest sum of IoUs.

    Only pairs of at least `MATCHED_IOU` count. All masks must be of one size.
    """
    if not first or not second:
        return []
    # Boxes that do not meet save the look at the pixels.
    meets = box_iou([rle.to_box() for rle in first], [rle.to_box() for rle in second]) > 0
    ious = np.zeros(meets.shape)
    for i, j in np.argwhere(meets):
        ious[i, j] = rle_iou(first[i], second[j])
    ious[ious < MATCHED_IOU] = 0
    rows, columns = linear_sum_assignment(ious, maximize=True)
    return [
        (int(i), int(j), float(ious[i, j]))
        for i, j in zip(rows, columns, strict=True)
        if ious[i, j]
    ]


def measure_agreement(session: Session, image: Image) -> None:
    """Keep how far this image's masks agree with those of others who are done with the picture."""
    session.execute(
        delete(Agreement).where(
            or_(Agreement.first_image_id == image.id, Agreement.second_image_id == image.id)
        )
    )
    others = session.scalars(
        select(Image).where(
            Image.project_id == image.project_id,
            Image.digest == image.digest,
            Image.id != image.id,
            Image.state.in_((ImageState.SUBMITTED, ImageState.ACCEPTED)),
        )
    ).all()
    own = _masks(session, image) if others else []
    for other in others:
        theirs = _masks(session, other)
        matches = match_masks(own, theirs)
        session.add(
            Agreement(
                first_image_id=min(image.id, other.id),
                second_image_id=max(image.id, other.id),
                masks=len(own) + len(theirs),
                matched=2 * len(matches),
                iou_sum=sum(iou for _, _, iou in matches),
            )
        )
    session.flush()


def agreement_figures(session: Session, project_id: int) -> AgreementFigures:
    """Return the agreement between a project's annotators."""
    pairs, masks, matched, iou_sum = session.execute(
        select(
            func.count(),
            func.sum(Agreement.masks),
            func.sum(Agreement.matched),
            cast(func.sum(Agreement.iou_sum), Float),
        )
        .join(Image, Image.id == Agreement.first_image_id)
        .where(Image.project_id == project_id)
    ).one()
    return AgreementFigures(
        pairs=pairs,
        matched_share=matched / masks if masks else None,
        mean_iou=2 * iou_sum / matched if matched else None,
    )


def _masks(session: Session, image: Image) -> list[Rle]:
    query = select(Annotation.counts).where(Annotation.image_id == image.id, ~Annotation.is_deleted)
    size = [image.height, image.width]
    return [Rle.from_coco({"size": size, "counts": counts}) for counts in session.scalars(query)]
