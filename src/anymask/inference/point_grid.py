"""Where "segment everything" looks: grids of points and the crops that they are laid over."""

import math
from itertools import product

import numpy as np
from numpy.typing import NDArray

from anymask.core.errors import InvalidInputError

CropBox = tuple[int, int, int, int]


def point_grid(points_per_side: int) -> NDArray[np.float64]:
    """Return (points_per_side^2, 2) xy in the unit square, row by row, at the cells' centres.

    Raises:
        InvalidInputError: fewer than one point per side.

    >>> point_grid(2).tolist()
    [[0.25, 0.25], [0.75, 0.25], [0.25, 0.75], [0.75, 0.75]]
    """
    if points_per_side < 1:
        raise InvalidInputError(
            f"points_per_side must be at least 1, got {points_per_side}. The default is 32."
        )
    # The reference's own expression: a grid that differs in the last bit moves masks.
    offset = 1 / (2 * points_per_side)
    places = np.linspace(offset, 1 - offset, points_per_side)
    y, x = np.meshgrid(places, places, indexing="ij")
    return np.stack([x, y], axis=-1).reshape(-1, 2)


def point_grids(
    points_per_side: int, num_layers: int, downscale_factor: int
) -> tuple[NDArray[np.float64], ...]:
    """Return one grid per crop layer; layer k has points_per_side / downscale_factor^k a side.

    Raises:
        InvalidInputError: a layer would have no point.
    """
    sides = [points_per_side // downscale_factor**layer for layer in range(num_layers + 1)]
    if sides[-1] < 1 <= points_per_side:
        raise InvalidInputError(
            f"crop_points_downscale_factor must leave points in {num_layers} layers, got "
            f"{downscale_factor} for {points_per_side} points per side. Lower it."
        )
    return tuple(point_grid(side) for side in sides)


def crop_layers(
    original_size: tuple[int, int], num_layers: int, overlap_ratio: float
) -> list[tuple[CropBox, int]]:
    """Return each crop's box, xyxy in pixels, with its layer; layer 0 is the whole image.

    SAM paper, App. B (Cropping): layer k has 2^k x 2^k crops that overlap their neighbours by
    `overlap_ratio` of the image's short side in layer 1 and by half as much in each further one.
    """
    height, width = original_size
    crops: list[tuple[CropBox, int]] = [((0, 0, width, height), 0)]
    for layer in range(1, num_layers + 1):
        per_side = 2**layer
        overlap = int(overlap_ratio * min(height, width) * (2 / per_side))
        crop_width, x_starts = _split(width, per_side, overlap)
        crop_height, y_starts = _split(height, per_side, overlap)
        for x0, y0 in product(x_starts, y_starts):
            box = (x0, y0, min(x0 + crop_width, width), min(y0 + crop_height, height))
            if box[0] < box[2] and box[1] < box[3]:  # images of few pixels leave no room
                crops.append((box, layer))
    return crops


def _split(length: int, parts: int, overlap: int) -> tuple[int, list[int]]:
    """Return the length of each part, and their starts."""
    part = math.ceil((overlap * (parts - 1) + length) / parts)
    return part, [(part - overlap) * i for i in range(parts)]
