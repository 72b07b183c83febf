"""Which points of a grid to ask: a coarse part of it first, then more where that found something.

Most answers of a fine grid repeat the mask of a click nearby. A click whose masks all turn out to
be duplicates says that its neighbourhood is known; one whose masks stay says that there is detail,
and that its neighbours are worth asking. The points asked are points of the full grid, so that
each answer is one that the full grid would have had.
"""

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from anymask.core.errors import InvalidInputError

_FRACTION = 1 / 3  # of the grid that is asked at most
_FIRST_STRIDE = 2  # the first round asks every second point along each axis
_NUM_ROUNDS = 3
_REACH = 1.5  # in grid steps, how far an answer speaks for its neighbourhood
_CURIOSITY = 0.3  # new masks that a neighbourhood without any is still taken to hold


class AdaptiveGrid:
    """The state of one grid: what was asked and where masks were found.

    Args:
        points_per_side: of the full grid, which `point_grid` lays out row by row.

    Raises:
        InvalidInputError: fewer than one point per side.
    """

    def __init__(self, points_per_side: int) -> None:
        if points_per_side < 1:
            raise InvalidInputError(
                f"points_per_side must be at least 1, got {points_per_side}. The default is 32."
            )
        self._side = points_per_side
        self.num_points = max(1, int(points_per_side**2 * _FRACTION))
        self._is_asked = np.zeros((points_per_side, points_per_side), dtype=np.bool_)
        self._num_found = np.zeros((points_per_side, points_per_side))

    def rounds(self) -> Iterator[NDArray[np.int64]]:
        """Yield the indices of the points to ask in each round; call `learn` between them."""
        while len(indices := self._choose()):
            yield indices

    def learn(self, points: NDArray[np.float64]) -> None:
        """Take note of the clicks (K, 2) xy, in the unit square, of all distinct masks so far."""
        columns, rows = np.minimum(points * self._side, self._side - 1).astype(np.int64).T
        self._num_found[:] = 0
        np.add.at(self._num_found, (rows, columns), 1)

    def _choose(self) -> NDArray[np.int64]:
        """The next round's points (n,); none when all rounds are over."""
        if not self._is_asked.any():
            return self._first_round()
        left = self.num_points - int(self._is_asked.sum())
        per_round = math.ceil(self._side**2 * (_FRACTION - 1 / _FIRST_STRIDE**2) / _NUM_ROUNDS)
        need = self._expected_masks()
        distance = ndimage.distance_transform_edt(~self._is_asked)
        rows, columns = np.indices(self._is_asked.shape)
        chosen = []
        for _ in range(min(left, per_round)):
            # Far from what is asked, and where asking gives something; never the same twice.
            row, column = np.unravel_index(np.argmax(need * distance), distance.shape)
            chosen.append(int(row) * self._side + int(column))
            distance = np.minimum(distance, np.hypot(rows - row, columns - column))
        indices = np.array(chosen, dtype=np.int64)
        self._is_asked.reshape(-1)[indices] = True
        return indices

    def _first_round(self) -> NDArray[np.int64]:
        places = np.arange(min(_FIRST_STRIDE // 2, self._side - 1), self._side, _FIRST_STRIDE)
        self._is_asked[np.ix_(places, places)] = True
        indices = np.flatnonzero(self._is_asked)[: self.num_points]
        self._is_asked[:] = False
        self._is_asked.reshape(-1)[indices] = True
        return indices

    def _expected_masks(self) -> NDArray[np.float64]:
        """The new masks that a click at each point is taken to give, from its neighbours."""
        found, asked = (
            ndimage.gaussian_filter(values, _REACH, mode="constant")
            for values in (self._num_found, self._is_asked.astype(np.float64))
        )
        expected: NDArray[np.float64] = _CURIOSITY + found / np.maximum(asked, 1e-9)
        return expected
