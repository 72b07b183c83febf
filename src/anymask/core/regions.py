"""Connected parts of a mask, and the removal of its small holes and islands, on run lengths.

A part is a set of runs, each in one column, that touch; no pixel is ever visited, so that a mask of
a hundred megapixels costs what its outline costs.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csgraph

from anymask.core.errors import InvalidInputError
from anymask.core.rle import Rle

ColumnRuns = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]


def connected_components(
    rle: Rle, connectivity: Literal[4, 8] = 8
) -> tuple[NDArray[np.int64], int]:
    """Return a label (R,) int64 for each of `rle.column_runs()`, from 0, and the number of parts.

    Args:
        rle: the mask.
        connectivity: 8 joins pixels that touch at a corner, 4 only those that share a side.

    >>> connected_components(Rle.from_mask(np.eye(3, dtype=bool)), 4)[1]
    3
    """
    columns, row_starts, row_stops = rle.column_runs()
    if not len(columns):
        return columns, 0
    # All columns on one line, with room between them, so that one search finds every neighbour.
    stride = rle.size[0] + 2
    starts, stops = columns * stride + row_starts, columns * stride + row_stops
    reach = 1 if connectivity == 8 else 0
    first = np.searchsorted(stops, starts + stride - reach, side="right")
    last = np.searchsorted(starts, stops + stride + reach, side="left")
    num_touched = np.maximum(last - first, 0)
    runs = np.repeat(np.arange(len(starts)), num_touched)
    offsets = np.arange(len(runs)) - np.repeat(np.cumsum(num_touched) - num_touched, num_touched)
    touched = first[runs] + offsets
    links = coo_array((np.ones(len(runs), dtype=np.bool_), (runs, touched)), (len(starts),) * 2)
    count, labels = csgraph.connected_components(links, directed=False)
    return labels.astype(np.int64), int(count)


def remove_small_regions(rle: Rle, min_area: float, mode: Literal["holes", "islands"]) -> Rle:
    """Return the mask without small holes or islands; the same object when there are none.

    SAM paper, App. B (Postprocessing): 100 pixels. Foreground joins over corners, background
    does not, so a diagonal line one pixel wide does close a hole.

    Args:
        rle: the mask.
        min_area: in pixels; smaller parts are changed.
        mode: "holes" fills background that does not reach the image's border; "islands" removes
            foreground parts, but keeps the largest if all are small.

    Raises:
        InvalidInputError: another mode.

    >>> ring = np.ones((3, 3), dtype=bool)
    >>> ring[1, 1] = False
    >>> remove_small_regions(Rle.from_mask(ring), 2, "holes").area
    9
    """
    if mode not in ("holes", "islands"):
        raise InvalidInputError(f'mode must be "holes" or "islands", got {mode!r}. Choose one.')
    return _without_holes(rle, min_area) if mode == "holes" else _without_islands(rle, min_area)


def _without_holes(rle: Rle, min_area: float) -> Rle:
    background = rle.inverted()
    runs = background.column_runs()
    labels, count = connected_components(background, connectivity=4)
    is_hole = _areas(runs, labels, count) < min_area
    columns, row_starts, row_stops = runs
    height, width = rle.size
    is_outer = (columns == 0) | (columns == width - 1) | (row_starts == 0) | (row_stops == height)
    is_hole[labels[is_outer]] = False
    if not is_hole.any():
        return rle
    filled = is_hole[labels]
    together = (
        np.concatenate([own, hole[filled]])
        for own, hole in zip(rle.column_runs(), runs, strict=True)
    )
    return Rle.from_column_runs(rle.size, *together)


def _without_islands(rle: Rle, min_area: float) -> Rle:
    runs = rle.column_runs()
    labels, count = connected_components(rle, connectivity=8)
    if count < 2:
        return rle
    areas = _areas(runs, labels, count)
    stays = areas >= min_area
    stays[np.argmax(areas)] = True
    if stays.all():
        return rle
    return Rle.from_column_runs(rle.size, *(run[stays[labels]] for run in runs))


def _areas(runs: ColumnRuns, labels: NDArray[np.int64], count: int) -> NDArray[np.float64]:
    """The pixels of each part."""
    _, row_starts, row_stops = runs
    areas = np.bincount(
        labels, weights=(row_stops - row_starts).astype(np.float64), minlength=count
    )
    return areas.astype(np.float64)
