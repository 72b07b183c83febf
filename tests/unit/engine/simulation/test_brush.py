import numpy as np
import pytest

from anymask.core.geometry import mask_iou
from anymask.engine.simulation.brush import paint


def rectangle(x0: int, y0: int, x1: int, y1: int) -> np.ndarray:
    mask = np.zeros((60, 80), dtype=bool)
    mask[y0:y1, x0:x1] = True
    return mask


WANTED, DIAGONAL = rectangle(10, 10, 50, 50), float(np.hypot(60, 80))


def test_painting_ends_where_it_is_good_enough() -> None:
    mask = rectangle(10, 10, 50, 30) | rectangle(60, 5, 62, 7)  # half is missing; a speck too much
    done = paint(mask, WANTED, 0.9)
    assert 0.9 <= mask_iou(done.mask, WANTED) < 1.0
    assert done.is_erased == (False,) * len(done.lengths)
    assert (done.mask & rectangle(60, 5, 62, 7)).any()
    whole = paint(mask, WANTED, 1.0)
    assert np.array_equal(whole.mask, WANTED)
    assert True in whole.is_erased  # the speck is wiped away


def test_the_worse_a_mask_is_the_more_is_drawn() -> None:
    lengths = [
        sum(paint(rectangle(10, 10, 50, bottom), WANTED, 0.95).lengths) for bottom in (14, 30, 44)
    ]
    assert lengths == sorted(lengths, reverse=True)
    assert lengths[0] > 2 * lengths[-1] > 0
    everything = sum(paint(np.zeros_like(WANTED), WANTED, 1.0).lengths)
    assert everything >= (4 * 40 - 4) / DIAGONAL  # at least the whole outline


def test_thick_errors_are_painted_before_thin_ones() -> None:
    thin_and_thick = rectangle(10, 11, 38, 50)  # one row of pixels is missing above, 12 aside
    done = paint(thin_and_thick, WANTED, 0.93)
    assert done.mask[20:40, 42:49].mean() > 0.5
    assert not done.mask[10, 12:30].any()


def test_a_good_mask_is_left_alone() -> None:
    done = paint(WANTED, WANTED, 0.9)
    assert done.lengths == ()
    assert np.array_equal(done.mask, WANTED)
    assert paint(rectangle(10, 10, 50, 49), WANTED, 0.9).lengths == pytest.approx(())
