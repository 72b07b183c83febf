import numpy as np
import pytest

from anymask.core.errors import InvalidInputError
from anymask.inference.adaptive_grid import AdaptiveGrid
from anymask.inference.point_grid import point_grid


def asked_with(side: int, is_detailed) -> np.ndarray:
    """Return which points are asked when each gives a mask where `is_detailed` says so."""
    grid, points = AdaptiveGrid(side), point_grid(side)
    asked: list[int] = []
    for indices in grid.rounds():
        asked += indices.tolist()
        grid.learn(points[[i for i in asked if is_detailed(*points[i])]].reshape(-1, 2))
    assert len(asked) == grid.num_points
    assert len(set(asked)) == len(asked)
    return points[asked]


@pytest.mark.parametrize("side", [1, 2, 3, 4, 5, 8, 31, 32, 64])
def test_a_third_of_the_points_is_asked_each_once(side):
    points = asked_with(side, lambda x, y: True)
    assert 1 <= len(points) <= max(1, side**2 / 3)


def test_more_is_asked_where_masks_were_found():
    points = asked_with(32, lambda x, y: x < 0.4 and y < 0.4)
    is_near = (points < 0.4).all(axis=1)
    whole = (point_grid(32) < 0.4).all(axis=1).sum()
    assert is_near.sum() / whole > 1.5 * (~is_near).sum() / (1024 - whole)


def test_no_region_is_left_out_even_without_masks():
    points = asked_with(32, lambda x, y: False)
    every = point_grid(32)
    distance = np.linalg.norm(every[:, None] - points[None], axis=-1).min(axis=1)
    assert distance.max() < 2 / 32


def test_same_answers_lead_to_the_same_questions():
    assert np.array_equal(asked_with(16, lambda x, y: x > y), asked_with(16, lambda x, y: x > y))


def test_grid_without_points_is_refused():
    with pytest.raises(InvalidInputError, match="points_per_side must be at least 1"):
        AdaptiveGrid(0)
