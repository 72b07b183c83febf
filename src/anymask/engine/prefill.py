"""Puts confident masks into photos before people come (Sec. 4, stage 2)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from anymask.core.errors import ConflictError
from anymask.core.image_io import read_image
from anymask.core.rle import Rle
from anymask.engine.store.annotations import MaskDraft, list_annotations
from anymask.engine.store.blobs import Blobs, image_blob
from anymask.engine.store.database import Database
from anymask.engine.store.imports import add_drafts
from anymask.engine.store.prefill import PrefillFigures, engine_account, prefill_figures
from anymask.engine.store.projects import get_image
from anymask.engine.store.tables import Image

if TYPE_CHECKING:
    from anymask.inference.object_masks import FoundMask, ObjectFinder
    from anymask.inference.predictor import ImageLike


@dataclass(frozen=True, kw_only=True)
class PrefillSummary:
    """What was put in.

    Attributes:
        images: that were looked at.
        masks: that are new.
        passed_over: images that somebody works on, or that are done.
    """

    images: int
    masks: int
    passed_over: int


def confident_masks(
    finder: "ObjectFinder",
    image: "ImageLike",
    threshold: float | None,
    max_masks: int,
    present: Sequence[Rle] = (),
) -> "list[FoundMask]":
    """Return the masks of an image that are sure enough, the surest first.

    Args:
        finder: see `ObjectFinder`.
        image: (H, W, 3) uint8 RGB.
        threshold: of the confidence, as calibrated; None for no masks.
        max_masks: so many of them at most.
        present: masks that the image has; what overlaps one of them is left out.
    """
    from anymask.inference.object_masks import lacking_in

    if threshold is None:
        return []
    return lacking_in(finder.find(image, threshold), present)[:max_masks]


def prefill(
    database: Database,
    blobs: Blobs,
    image_ids: Sequence[int],
    finder: "ObjectFinder",
    threshold: float | None,
    max_masks: int,
) -> PrefillSummary:
    """Put confident masks into images that wait, behind those that they have.

    Doing it again, also after a kill, adds nothing: a mask that was put in is known by its pixels,
    also one that people deleted since. An image that somebody has taken is left alone.

    Args:
        database: with the images.
        blobs: with their files.
        image_ids: of which images.
        finder: of the current model.
        threshold: see `confident_masks`.
        max_masks: into one image.

    Raises:
        NotFoundError: an image or its file is not there.
    """
    with database.writing() as session:
        author = engine_account(session, database.now())
    masks = passed_over = 0
    for image_id in tqdm(image_ids, "prefill", unit="photo", disable=None):
        with database.reading() as session:
            image = get_image(session, image_id)
            present = [
                _rle(image, row.counts)
                for row in list_annotations(session, image_id)
                if row.author_id != author.id
            ]
        pixels = read_image(blobs.read(image_blob(image.digest)))
        found = confident_masks(finder, pixels, threshold, max_masks, present)
        drafts = [_draft(mask, finder) for mask in found]
        try:
            with database.writing() as session:
                masks += len(add_drafts(session, image_id, drafts, author, database.now()))
        except ConflictError:
            passed_over += 1
    return PrefillSummary(images=len(image_ids), masks=masks, passed_over=passed_over)


def prefill_precision(database: Database, project_id: int) -> PrefillFigures:
    """Return what people made of the masks that were put into a project's images."""
    with database.reading() as session:
        return prefill_figures(session, project_id)


def _draft(mask: "FoundMask", finder: "ObjectFinder") -> MaskDraft:
    prompts: dict[str, Any] = {
        "source": finder.name,
        "score": round(mask.confidence, 4),
        "box": [round(float(side), 1) for side in mask.box],
    }
    return MaskDraft(
        segmentation=mask.segmentation,
        position=0,
        model_id=finder.model_id,
        predicted_iou=mask.predicted_iou,
        prompts=prompts,
    )


def _rle(image: Image, counts: str) -> Rle:
    return Rle.from_coco({"size": [image.height, image.width], "counts": counts})
