"""The part of an image around a small object, to be looked at closer."""

import math
from collections.abc import Sequence

Region = tuple[int, int, int, int]

# What is smaller is treated as this large: closer, a photograph shows its grain.
_LEAST_SIDE_PX = 32.0
# Of a thin box the short side counts as this part of the long one: a pole needs its surroundings.
_LEAST_ASPECT = 0.5


def size_fraction(box: Sequence[float], original_size: tuple[int, int]) -> float:
    """Return the larger part that a box (4,) xyxy takes of an image's width or height.

    >>> size_fraction((40, 40, 60, 80), (100, 200))
    0.4
    """
    x0, y0, x1, y1 = (float(value) for value in box)
    height, width = original_size
    return max((x1 - x0) / width, (y1 - y0) / height)


def region_around(box: Sequence[float], margin: float, original_size: tuple[int, int]) -> Region:
    """Return a region (x0, y0, x1, y1) of whole pixels, `margin` times as large as a box.

    It lies around the box's middle and ends at the image's edges.

    Args:
        box: (4,) xyxy in pixels of the image.
        margin: region's sides by the box's.
        original_size: (H, W) of the image.

    >>> region_around((40, 40, 60, 80), 3, (100, 200))
    (20, 0, 80, 100)
    """
    x0, y0, x1, y1 = (float(value) for value in box)
    least = _LEAST_ASPECT * max(x1 - x0, y1 - y0, _LEAST_SIDE_PX)
    height, width = original_size
    left, right = _span(x0, x1, margin * max(x1 - x0, least), width)
    top, bottom = _span(y0, y1, margin * max(y1 - y0, least), height)
    return left, top, right, bottom


def region_around_click(
    point: Sequence[float], fraction: float, original_size: tuple[int, int]
) -> Region:
    """Return a square region around a point (x, y), its side that part of the longer side.

    It ends at the edges of the image, whose size is (H, W).

    >>> region_around_click((10, 50), 0.2, (100, 200))
    (0, 30, 30, 70)
    """
    x, y = point
    length = fraction * max(original_size)
    height, width = original_size
    left, right = _span(x, x, length, width)
    top, bottom = _span(y, y, length, height)
    return left, top, right, bottom


def _span(start: float, end: float, length: float, limit: int) -> tuple[int, int]:
    """Whole pixels of `length` around the middle of start to end, within 0 to `limit`."""
    middle = (start + end) / 2
    return max(0, math.floor(middle - length / 2)), min(limit, math.ceil(middle + length / 2))
