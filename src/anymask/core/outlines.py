"""Masks as polygons along the edges of pixels, and polygons filled to masks again, both exact.

Filling is even-odd by the centres of pixels: a pixel belongs to the mask if its centre is inside
an odd number of the closed lines. No pixel is visited: the lines' crossings of the columns' centres
are the ends of the mask's runs.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import coo_array, csgraph
from scipy.spatial import Delaunay

from anymask.core.errors import InvalidInputError
from anymask.core.rle import Rle

_MAX_COORDINATE = 1e6
# A polygon of a few kB can cross every column at every point: an honest outline of a large
# photograph has some 100,000 crossings.
_MAX_CROSSINGS = 4_000_000
_EAST, _SOUTH, _WEST, _NORTH = range(4)


def fill_outlines(outlines: Sequence[ArrayLike], size: tuple[int, int]) -> Rle:
    """Return the mask of closed lines, together even-odd: a line inside another cuts a hole.

    Args:
        outlines: (N, 2) numbers each, xy in pixels; pixel (0, 0) reaches from 0 to 1. The last
            point is joined to the first. What lies outside the image is cut off.
        size: (H, W) of the image.

    Raises:
        InvalidInputError: another shape, fewer than three points, coordinates that are not
            numbers or far off, or lines that cross the image too often.

    >>> fill_outlines([[[1, 1], [3, 1], [3, 2], [1, 2]]], (3, 4)).to_mask().astype(int)[1].tolist()
    [0, 1, 1, 0]
    """
    loops = [_checked(outline) for outline in outlines]
    if not loops:
        return Rle.from_column_runs(size, *np.zeros((3, 0), dtype=np.int64))
    begins = np.concatenate(loops)
    ends = np.concatenate([np.roll(loop, -1, axis=0) for loop in loops])
    # From left to right: a line that is walked there and back then has the same crossings twice.
    is_swapped = (begins[:, 0] > ends[:, 0])[:, None]
    left, right = np.where(is_swapped, ends, begins), np.where(is_swapped, begins, ends)
    columns, rows = _crossings(left, right, size)
    order = np.lexsort((rows, columns))
    columns, rows = columns[order], rows[order]
    # Closed lines cross each column an even number of times.
    has_pixels = rows[1::2] > rows[::2]
    return Rle.from_column_runs(
        size, columns[::2][has_pixels], rows[::2][has_pixels], rows[1::2][has_pixels]
    )


def unite(masks: Sequence[Rle]) -> Rle:
    """Return the pixels that are in any of the masks, which have one size; at least one mask.

    >>> unite([Rle.from_mask(np.eye(2, dtype=bool)), Rle.from_mask(np.ones((2, 2), bool))]).area
    4
    """
    ends = [np.cumsum(mask.counts) for mask in masks]
    starts = np.concatenate([end[:-1:2] for end in ends])
    stops = np.concatenate([end[1::2] for end in ends])
    order = np.argsort(starts, kind="stable")
    starts, stops = starts[order], np.maximum.accumulate(stops[order])
    begins_run = np.ones(len(starts), dtype=np.bool_)
    begins_run[1:] = starts[1:] > stops[:-1]
    ends_run = np.roll(begins_run, -1)
    edges = np.stack([starts[begins_run], stops[ends_run]], axis=1).reshape(-1)
    height, width = masks[0].size
    return Rle(size=(height, width), counts=np.diff(edges, prepend=0, append=height * width))


def trace_outlines(mask: Rle) -> list[NDArray[np.int64]]:
    """Return the closed lines around a mask's parts and holes, along the edges of pixels.

    Args:
        mask: of any number of parts and holes; pixels that touch at a corner only are two parts.

    Returns:
        corners (N, 2) xy of each line, topmost first; the foreground is on the right of who walks
        along it, so lines around parts run clockwise (y down) and those around holes the other way.

    >>> trace_outlines(Rle.from_mask(np.eye(3, dtype=bool)[:, 1:]))[0].tolist()
    [[0, 1], [1, 1], [1, 2], [0, 2]]
    """
    x0, y0, x1, y1 = mask.to_box().astype(np.int64).tolist()
    window = mask.sample(np.arange(y0, y1), np.arange(x0, x1))
    starts, ends, directions = _pixel_edges(window)
    following = _following_edges(starts, ends, directions)
    origin = np.array([x0, y0])
    is_corner = np.zeros(len(starts), dtype=np.bool_)
    is_corner[following] = directions[following] != directions
    return [
        np.stack(np.divmod(starts[loop[is_corner[loop]]], window.shape[1] + 1)[::-1], axis=1)
        + origin
        for loop in _cycles(following)
    ]


def bridge_outlines(outlines: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Return one closed line (N, 2) through several, for formats that know one line an object.

    The lines are joined by the shortest bridges that reach all. A bridge is walked there and back,
    so that filling the result, even-odd or by winding number, gives the same mask.
    """
    points = np.concatenate(outlines)
    lengths = [len(outline) for outline in outlines]
    following = np.arange(len(points)) + 1
    following[np.cumsum(lengths) - 1] = np.cumsum(lengths) - lengths
    order = following.tolist()
    copied: list[int] = []
    outline_of = np.repeat(np.arange(len(outlines)), lengths)
    for one, other in _bridges(points, outline_of) if len(outlines) > 1 else ():
        # one -> copy of other -> ... -> other -> copy of one -> ...
        first_copy = len(order)
        order += [order[one], order[other]]
        order[one], order[other] = first_copy + 1, first_copy
        copied += [one, other]
    walk, place = [], 0
    for _ in order:
        walk.append(place)
        place = order[place]
    return np.concatenate([points, points[copied]])[walk]


def _checked(outline: ArrayLike) -> NDArray[np.float64]:
    try:
        points = np.array(outline, dtype=np.float64)
    except (TypeError, ValueError, OverflowError):
        points = np.empty(0)
    if points.ndim != 2 or points.shape[1] != 2 or len(points) < 3:
        raise InvalidInputError(
            "polygon must be three points [x, y] or more, got something else. Export it again."
        )
    if not (np.abs(points) <= _MAX_COORDINATE).all():  # nor is NaN
        raise InvalidInputError(
            f"polygon coordinates must be numbers up to {_MAX_COORDINATE:.0f}, got others. "
            "Export it again, in pixels."
        )
    return points


def _crossings(
    left: NDArray[np.float64], right: NDArray[np.float64], size: tuple[int, int]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Columns and rows (K,) int64: the first row of each column whose centre is below an edge."""
    height, width = size
    firsts = np.clip(np.ceil(left[:, 0] - 0.5), 0, width).astype(np.int64)
    lasts = np.clip(np.ceil(right[:, 0] - 0.5), 0, width).astype(np.int64)
    numbers = lasts - firsts
    total = int(numbers.sum())
    if total > _MAX_CROSSINGS:
        raise InvalidInputError(
            f"polygon must cross the image's columns at most {_MAX_CROSSINGS} times, got {total}. "
            "Simplify it."
        )
    edges = np.repeat(np.arange(len(left)), numbers)
    columns = firsts[edges] + np.arange(total) - np.repeat(np.cumsum(numbers) - numbers, numbers)
    steps = (right - left)[edges]
    y = left[edges, 1] + (columns + 0.5 - left[edges, 0]) * (steps[:, 1] / steps[:, 0])
    return columns, np.clip(np.ceil(y - 0.5), 0, height).astype(np.int64)


def _pixel_edges(
    window: NDArray[np.bool_],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Edges between foreground and background: start and end corner, direction; (E,) int64 each.

    A corner's number is row * (width + 1) + column. Edges are sorted by start and direction.
    """
    stride = window.shape[1] + 1
    padded = np.pad(window, 1).view(np.int8)
    across = padded[1:, 1:-1] - padded[:-1, 1:-1]
    down = padded[1:-1, 1:] - padded[1:-1, :-1]
    starts, ends, directions = [], [], []
    for change, length, rising, falling in (
        (across, 1, _EAST, _WEST),
        (down, stride, _NORTH, _SOUTH),
    ):
        rows, columns = np.nonzero(change)
        corners = rows * stride + columns
        is_rising = change[rows, columns] > 0
        begins_later = is_rising == (rising == _NORTH)
        starts.append(corners + length * begins_later)
        ends.append(corners + length * ~begins_later)
        directions.append(np.where(is_rising, rising, falling))
    all_starts, all_ends, all_directions = map(np.concatenate, (starts, ends, directions))
    order = np.argsort(all_starts * 4 + all_directions)
    return all_starts[order], all_ends[order], all_directions[order]


def _following_edges(
    starts: NDArray[np.int64], ends: NDArray[np.int64], directions: NDArray[np.int64]
) -> NDArray[np.int64]:
    """The edge (E,) int64 that goes on where each ends; where two could, that to the right."""
    keys = starts * 4 + directions
    following = np.zeros(len(keys), dtype=np.int64)
    for turn in (-1, 0, 1):
        wanted = ends * 4 + (directions + turn) % 4
        places = np.searchsorted(keys, wanted) % max(len(keys), 1)
        is_there = keys[places] == wanted
        following[is_there] = places[is_there]
    return following


def _cycles(following: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """The cycles of a permutation, each from its lowest member."""
    steps = following.tolist()
    is_seen = [False] * len(steps)
    cycles = []
    for start in range(len(steps)):
        if not is_seen[start]:
            cycle, place = [], start
            while not is_seen[place]:
                is_seen[place] = True
                cycle.append(place)
                place = steps[place]
            cycles.append(np.array(cycle))
    return cycles


def _bridges(points: NDArray[np.int64], outline_of: NDArray[np.int64]) -> list[tuple[int, int]]:
    """Pairs of points, one less than outlines: the minimum spanning tree of the outlines.

    The shortest tree of points is known to lie in their Delaunay triangulation.
    """
    distinct, index, place = np.unique(points, axis=0, return_index=True, return_inverse=True)
    triangulation = Delaunay(distinct)
    corners = triangulation.simplices
    pairs = np.concatenate(
        [
            index[np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [2, 0]]])],
            # What the triangulation left out as too close to a point of it.
            index[triangulation.coplanar[:, [0, 2]]],
            # Outlines that touch share a point.
            np.stack([np.arange(len(points)), index[place.reshape(-1)]], axis=1),
        ]
    )
    outlines = np.sort(outline_of[pairs], axis=1)
    lengths = np.hypot(*(points[pairs[:, 0]] - points[pairs[:, 1]]).T)
    joins = outlines[:, 0] != outlines[:, 1]
    pairs, outlines, lengths = pairs[joins], outlines[joins], lengths[joins]
    order = np.lexsort((lengths, outlines[:, 1], outlines[:, 0]))
    pairs, outlines, lengths = pairs[order], outlines[order], lengths[order]
    _, shortest = np.unique(outlines, axis=0, return_index=True)
    num_outlines = int(outline_of[-1]) + 1
    # A weight of 0 would be no edge.
    graph = coo_array(
        (lengths[shortest] + 1, (outlines[shortest, 0], outlines[shortest, 1])),
        (num_outlines, num_outlines),
    )
    tree = csgraph.minimum_spanning_tree(graph.tocsr()).tocoo()
    pair_of = {tuple(outlines[i].tolist()): tuple(pairs[i].tolist()) for i in shortest}
    return [
        pair_of[one, other] for one, other in zip(tree.row.tolist(), tree.col.tolist(), strict=True)
    ]
