"""Segmentations of COCO's JSON, run lengths or polygons, as masks."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from anymask.core.errors import InvalidInputError
from anymask.core.outlines import fill_outlines, unite
from anymask.core.rle import Rle


def parse_segmentation(segmentation: Any, size: tuple[int, int], name: str) -> Rle:
    """Return the mask of a COCO annotation: compressed or uncompressed RLE, or polygons.

    Several polygons are parts of the mask; each is filled by the centres of pixels. For polygons
    with fractions pycocotools, which draws on a grid five times as fine, differs at the edge (IoU
    .99 for masks 32 pixels across); along the edges of pixels both agree.

    Args:
        segmentation: as the JSON has it.
        size: (H, W) of its image.
        name: of the annotation, for errors.

    Raises:
        InvalidInputError: it is neither, damaged, or of another size.
    """
    if isinstance(segmentation, list):
        return _polygons_to_rle(segmentation, size, name)
    try:
        rle = Rle.from_coco(segmentation)
    except InvalidInputError as error:
        raise InvalidInputError(f"segmentation of {name}: {error}") from None
    if tuple(rle.size) != size:
        raise InvalidInputError(
            f"segmentation of {name} must have its image's size (H, W) {size}, "
            f"got {tuple(rle.size)}. Encode the mask at the size of the image file."
        )
    return rle


def _polygons_to_rle(polygons: Sequence[Any], size: tuple[int, int], name: str) -> Rle:
    if any(
        not isinstance(polygon, list) or len(polygon) < 6 or len(polygon) % 2
        for polygon in polygons
    ):
        raise InvalidInputError(
            f"polygons of {name} must be flat lists x0, y0, x1, y1, ... of three points or more, "
            "got another shape. Export them again."
        )
    if not polygons:
        return fill_outlines([], size)
    try:
        outlines = [np.array(polygon, dtype=np.float64).reshape(-1, 2) for polygon in polygons]
        return unite([fill_outlines([outline], size) for outline in outlines])
    except (TypeError, ValueError) as error:
        raise InvalidInputError(f"polygons of {name}: {error}") from None
