"""Where a mask lies, how large it is and how far from convex, straight from its run lengths."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull

from anymask.core.rle import Rle


@dataclass(frozen=True, kw_only=True)
class MaskShape:
    """What the statistics ask of a mask; pixels of its image, each pixel a unit square.

    Attributes:
        area: number of its pixels.
        centre: (x, y), the mean over its pixels' centres.
        hull_area: of the smallest convex outline around its pixels.
    """

    area: int
    centre: tuple[float, float]
    hull_area: float

    @property
    def concavity(self) -> float:
        """1 - area / hull area (SA paper, Sec. 5): 0 for a box, near 1 for threads and rings."""
        return max(0.0, 1.0 - self.area / self.hull_area)


def measure_shape(rle: Rle) -> MaskShape:
    """Return the shape of a mask that has at least one pixel.

    >>> shape = measure_shape(Rle.from_mask(np.array([[1, 0], [1, 1]])))
    >>> shape.area, shape.hull_area, round(shape.concavity, 3)
    (3, 3.5, 0.143)
    """
    columns, starts, stops = rle.column_runs()
    lengths = stops - starts
    area = int(lengths.sum())
    x = float((lengths * (columns + 0.5)).sum()) / area
    y = float((lengths * (starts + stops)).sum()) / (2 * area)
    hull = ConvexHull(_outer_corners(columns, starts, stops))
    # Of a plane figure scipy calls the area `volume`.
    return MaskShape(area=area, centre=(x, y), hull_area=float(hull.volume))


def _outer_corners(
    columns: NDArray[np.int64], starts: NDArray[np.int64], stops: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Corners (N, 2) xy of each column's topmost and lowest pixel; no others are on a hull."""
    firsts = np.flatnonzero(np.diff(columns, prepend=-1))
    lasts = np.append(firsts[1:], len(columns)) - 1
    left, top, bottom = columns[firsts], starts[firsts], stops[lasts]
    x = np.concatenate([left, left + 1, left, left + 1])
    return np.stack([x, np.concatenate([top, top, bottom, bottom])], axis=1)
