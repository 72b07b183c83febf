"""Connected parts of a mask, and the removal of its small holes and islands."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from anymask.core.errors import InvalidInputError
from anymask.core.geometry import mask_to_box

_NEIGHBOURS = {
    4: ndimage.generate_binary_structure(2, 1),
    8: ndimage.generate_binary_structure(2, 2),
}


def connected_components(
    mask: NDArray[np.bool_], connectivity: Literal[4, 8] = 8
) -> tuple[NDArray[np.int32], int]:
    """Return labels (H, W) int32, 0 outside the mask, and the number K of parts, labelled 1 to K.

    Args:
        mask: (H, W) bool.
        connectivity: 8 joins pixels that touch at a corner, 4 only those that share a side.

    >>> connected_components(np.eye(3, dtype=bool), 4)[1]
    3
    """
    labels = np.empty(mask.shape, dtype=np.int32)
    count = ndimage.label(mask, structure=_NEIGHBOURS[connectivity], output=labels)
    return labels, int(count)


def remove_small_regions(
    mask: NDArray[np.bool_], min_area: float, mode: Literal["holes", "islands"]
) -> tuple[NDArray[np.bool_], bool]:
    """Return the mask (H, W) bool without small holes or islands, and whether it changed.

    SAM paper, App. B (Postprocessing): 100 pixels. Foreground joins over corners, background
    does not, so a diagonal line one pixel wide does close a hole.

    Args:
        mask: (H, W) bool.
        min_area: in pixels; smaller parts are changed.
        mode: "holes" fills background that does not reach the image's border; "islands" removes
            foreground parts, but keeps the largest if all are small.

    Raises:
        InvalidInputError: another mode, or mask is not (H, W) bool.

    >>> ring = np.ones((3, 3), dtype=bool)
    >>> ring[1, 1] = False
    >>> remove_small_regions(ring, 2, "holes")[0].all()
    np.True_
    """
    if mode not in ("holes", "islands"):
        raise InvalidInputError(f'mode must be "holes" or "islands", got {mode!r}. Choose one.')
    x0, y0, x1, y1 = mask_to_box(mask).astype(int)
    if x0 == x1:
        return mask, False
    # Holes and islands lie within the mask's box, and background on the edge of that box is joined
    # to the image's border: the box alone tells the same, and is smaller.
    inside = mask[y0:y1, x0:x1]
    flipped = (
        _small_holes(inside, min_area) if mode == "holes" else _small_islands(inside, min_area)
    )
    if not flipped.any():
        return mask, False
    cleaned = mask.copy()
    cleaned[y0:y1, x0:x1] ^= flipped
    return cleaned, True


def _small_holes(mask: NDArray[np.bool_], min_area: float) -> NDArray[np.bool_]:
    labels, count = connected_components(~mask, connectivity=4)
    is_small = np.bincount(labels.ravel(), minlength=count + 1) < min_area
    is_small[0] = False
    for edge in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        is_small[edge] = False
    return is_small[labels]


def _small_islands(mask: NDArray[np.bool_], min_area: float) -> NDArray[np.bool_]:
    labels, count = connected_components(mask, connectivity=8)
    areas = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    is_small = areas < min_area
    is_small[np.argmax(areas)] = False
    return np.concatenate([[False], is_small])[labels]
