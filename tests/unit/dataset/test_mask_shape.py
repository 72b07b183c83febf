import numpy as np
import pytest

from anymask.core.rle import Rle
from anymask.dataset.mask_shape import MaskShape, measure_shape


def shape_of(mask: np.ndarray) -> MaskShape:
    return measure_shape(Rle.from_mask(mask))


def test_a_box_is_convex_and_its_centre_is_its_middle():
    mask = np.zeros((20, 30), dtype=bool)
    mask[4:10, 12:20] = True
    assert shape_of(mask) == MaskShape(area=48, centre=(16.0, 7.0), hull_area=48.0)
    assert shape_of(mask).concavity == 0


def test_a_single_pixel_is_convex():
    assert shape_of(np.ones((1, 1), dtype=bool)).concavity == 0


def test_a_hole_counts_as_concavity():
    mask = np.ones((10, 10), dtype=bool)
    mask[2:8, 2:8] = False
    assert shape_of(mask).concavity == pytest.approx(0.36)


def test_two_parts_share_one_hull():
    mask = np.zeros((1, 10), dtype=bool)
    mask[0, [0, 9]] = True
    shape = shape_of(mask)
    assert shape.hull_area == pytest.approx(10)
    assert shape.centre == (5.0, 0.5)


def test_the_hull_holds_the_lowest_and_the_topmost_pixel_of_each_column():
    rng = np.random.default_rng(0)
    for _ in range(20):
        mask = rng.random((12, 9)) < 0.2
        mask[5, 4] = True
        shape = shape_of(mask)
        rows, columns = np.nonzero(mask)
        assert shape.area == mask.sum() <= shape.hull_area + 1e-9
        assert shape.centre == pytest.approx((columns.mean() + 0.5, rows.mean() + 0.5))
        # The hull of all corners, the plain way.
        corners = np.concatenate(
            [np.stack([columns + dx, rows + dy], 1) for dx in (0, 1) for dy in (0, 1)]
        )
        assert shape.hull_area == pytest.approx(plain_hull_area(corners))


def plain_hull_area(points: np.ndarray) -> float:
    """Andrew's monotone chain and the shoelace formula."""
    ordered = sorted(set(map(tuple, points.tolist())))

    def chain(some):
        kept: list[tuple[int, int]] = []
        for point in some:
            while len(kept) > 1 and turn(kept[-2], kept[-1], point) <= 0:
                kept.pop()
            kept.append(point)
        return kept[:-1]

    hull = np.array(chain(ordered) + chain(ordered[::-1]))
    x, y = hull.T
    return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2)


def turn(a, b, c) -> int:
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])
