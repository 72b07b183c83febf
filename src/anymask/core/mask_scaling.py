"""Masks brought to a smaller image of the same scene, in whole numbers: the same everywhere."""

import numpy as np

from anymask.core.errors import InvalidInputError
from anymask.core.rle import Rle


def scale_mask_down(rle: Rle, size: tuple[int, int]) -> Rle:
    """Return the mask at a size (H, W) that is no larger; a pixel is in if half of it was.

    Shares of pixels are counted exactly, so that no rounding decides, and on run lengths, so that
    it costs what the outline and the smaller mask's box cost. A mask may vanish, if no pixel of
    the smaller image is half covered.

    Raises:
        InvalidInputError: the size is larger or has no pixels.

    >>> scale_mask_down(Rle.from_mask(np.eye(4, dtype=bool)), (2, 2)).to_mask().tolist()
    [[True, False], [False, True]]
    """
    (height, width), (small_height, small_width) = rle.size, size
    if not 1 <= small_height <= height or not 1 <= small_width <= width:
        raise InvalidInputError(
            f"size must be (H, W), from 1 to the mask's {rle.size}, got {size}. Pass a smaller one."
        )
    if size == rle.size:
        return rle
    columns, row_starts, row_stops = rle.column_runs()
    if not len(columns):
        return Rle(size=size, counts=np.array([small_height * small_width]))
    # In units of which a pixel is as long as the small image has pixels, and a small pixel as the
    # large one has: all edges are whole. A column lies in one small column, or in it and the next.
    small_columns = columns * small_width // width
    shares = np.minimum((small_columns + 1) * width - columns * small_width, small_width)
    x0, y0 = int(small_columns[0]), int(row_starts.min()) * small_height // height
    x1 = -(-(int(columns[-1]) + 1) * small_width // width)
    y1 = -(-int(row_stops.max()) * small_height // height)
    # How much more is covered than in the small pixel above; two edges reach one too far.
    steps = np.zeros((x1 - x0 + 1, y1 - y0 + 2), dtype=np.int64)
    for rows, sign in ((row_starts, 1), (row_stops, -1)):
        small_rows = rows * small_height // height
        below = (small_rows + 1) * height - rows * small_height  # of the small pixel it is in
        for step, column_shares in ((0, shares), (1, small_width - shares)):
            places = small_columns - x0 + step, small_rows - y0
            np.add.at(steps, places, sign * column_shares * below)
            np.add.at(steps, (places[0], places[1] + 1), sign * column_shares * (height - below))
    covered = np.cumsum(steps, axis=1)[:-1, :-2]
    is_inside = 2 * covered >= height * width
    return Rle.from_mask(is_inside.T).placed(size, x0, y0)
