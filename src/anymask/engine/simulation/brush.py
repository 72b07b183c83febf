"""Correcting a mask by hand: where a person paints, and how much drawing that is."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from anymask.core.geometry import mask_to_box
from anymask.engine.simulation.perception import outline
from anymask.evaluation.protocol import BoolArray

_BRUSHES_A_SIDE = 12  # a brush is this part of the object's longer side wide
_EIGHT = np.ones((3, 3), dtype=bool)


@dataclass(frozen=True, kw_only=True, eq=False)
class Painted:
    """A corrected mask.

    Attributes:
        mask: (H, W) bool.
        lengths: of each stroke, in diagonals of the photo.
        is_erased: of each stroke, whether it mostly took away rather than added.
    """

    mask: BoolArray
    lengths: tuple[float, ...]
    is_erased: tuple[bool, ...]


def paint(mask: BoolArray, wanted: BoolArray, enough: float) -> Painted:
    """Return `mask` corrected where it is most wrong, until its IoU with `wanted` is `enough`.

    The photo is looked at in cells as wide as a brush. The cells with the most wrong pixels are
    painted first, each until it is right; neighbouring ones in one stroke. The length of that is
    what the object's outline has to be drawn anew, or what filling the cell takes, if that is more.

    Args:
        mask: (H, W) what is there.
        wanted: (H, W) what should be; not empty.
        enough: the IoU at which a person stops.
    """
    wrong = mask ^ wanted
    x0, y0, x1, y1 = mask_to_box(wanted).tolist()
    brush = max(3, round(max(x1 - x0, y1 - y0) / _BRUSHES_A_SIDE))
    grid = (-(-mask.shape[0] // brush), -(-mask.shape[1] // brush))
    areas = _per_cell(wrong, brush, grid)
    missed = _per_cell(wrong & wanted, brush, grid)
    lines = _per_cell(outline(wanted) & _grown(wrong), brush, grid)

    order = np.argsort(-areas.ravel(), kind="stable")
    shared = np.count_nonzero(mask & wanted) + np.cumsum(missed.ravel()[order])
    union = np.count_nonzero(mask | wanted) - np.cumsum((areas - missed).ravel()[order])
    if np.count_nonzero(mask & wanted) >= enough * np.count_nonzero(mask | wanted):
        return Painted(mask=mask, lengths=(), is_erased=())
    count = 1 + int(np.argmax(shared >= enough * union))
    chosen = np.zeros(grid, dtype=bool)
    chosen.ravel()[order[:count]] = True

    strokes, num_strokes = ndimage.label(chosen, structure=_EIGHT)
    index = np.arange(1, num_strokes + 1)
    lengths = ndimage.sum_labels(np.maximum(lines, areas / brush), strokes, index)
    added = ndimage.sum_labels(2 * missed - areas, strokes, index)
    here = np.kron(chosen, np.ones((brush, brush), dtype=bool))[: mask.shape[0], : mask.shape[1]]
    return Painted(
        mask=np.where(here, wanted, mask),
        lengths=tuple((np.asarray(lengths) / np.hypot(*mask.shape)).tolist()),
        is_erased=tuple((np.asarray(added) < 0).tolist()),
    )


def _per_cell(mask: BoolArray, brush: int, grid: tuple[int, int]) -> NDArray[np.int64]:
    """How many pixels of (H, W) lie in each cell."""
    ys, xs = np.nonzero(mask)
    cells = (ys // brush) * grid[1] + xs // brush
    return np.bincount(cells, minlength=grid[0] * grid[1]).reshape(grid)


def _grown(mask: BoolArray) -> BoolArray:
    """The mask and the four neighbours of its pixels."""
    grown = mask.copy()
    grown[1:] |= mask[:-1]
    grown[:-1] |= mask[1:]
    grown[:, 1:] |= mask[:, :-1]
    grown[:, :-1] |= mask[:, 1:]
    return grown
