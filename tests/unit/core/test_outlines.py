"""Outlines of masks and polygons filled: known pictures, and what is refused."""

from typing import Any

import numpy as np
import pytest

from anymask.core.errors import InvalidInputError
from anymask.core.outlines import bridge_outlines, fill_outlines, trace_outlines, unite
from anymask.core.rle import Rle


def test_a_pixel_belongs_to_a_polygon_when_its_centre_does() -> None:
    triangle = [[0, 0], [4, 0], [0, 4]]
    filled = fill_outlines([triangle], (4, 5)).to_mask()
    centres = np.add.outer(np.arange(4) + 0.5, np.arange(5) + 0.5)
    np.testing.assert_array_equal(filled, centres < 4)


def test_what_lies_outside_the_image_is_cut_off() -> None:
    around = [[-5, -5], [50, -5], [50, 50], [-5, 50]]
    assert fill_outlines([around], (3, 4)).area == 12
    assert fill_outlines([[[9, 9], [12, 9], [12, 12]]], (3, 4)).area == 0
    assert fill_outlines([], (3, 4)).area == 0


def test_a_line_inside_another_cuts_a_hole_and_directions_do_not_matter() -> None:
    outer = [[0, 0], [6, 0], [6, 6], [0, 6]]
    inner = [[2, 2], [4, 2], [4, 4], [2, 4]]
    for hole in (inner, inner[::-1]):
        mask = fill_outlines([outer, hole], (6, 6)).to_mask()
        assert mask.sum() == 32
        assert not mask[2:4, 2:4].any()


def test_parts_run_clockwise_and_holes_the_other_way() -> None:
    ring = np.ones((3, 3), dtype=bool)
    ring[1, 1] = False
    outer, hole = trace_outlines(Rle.from_mask(ring))
    assert outer.tolist() == [[0, 0], [3, 0], [3, 3], [0, 3]]
    assert hole.tolist() == [[1, 1], [1, 2], [2, 2], [2, 1]]
    bridged = bridge_outlines([outer, hole])
    assert len(bridged) == len(outer) + len(hole) + 2
    assert fill_outlines([bridged], (3, 3)) == Rle.from_mask(ring)


def test_pixels_that_touch_at_a_corner_are_two_parts() -> None:
    assert len(trace_outlines(Rle.from_mask(np.eye(2, dtype=bool)))) == 2


def test_uniting_joins_runs_that_overlap_or_touch() -> None:
    masks = np.zeros((3, 4, 4), dtype=bool)
    masks[0, :2], masks[1, 2:], masks[2, 1:3] = True, True, True
    assert unite([Rle.from_mask(mask) for mask in masks]).area == 16
    assert unite([Rle.from_mask(np.zeros((2, 2), dtype=bool))]).area == 0


@pytest.mark.parametrize(
    ("outline", "message"),
    [
        ([[0, 0], [1, 1]], "three points"),
        ([[0, 0], [1, 1], [2]], "three points"),
        (["a", "b", "c"], "three points"),
        ([[0, 0], [1, float("nan")], [2, 0]], "must be numbers"),
        ([[0, 0], [1e300, 1], [2, 0]], "must be numbers"),
        ([[0, 0], [20_000, 1]] * 1000, "cross the image"),
    ],
)
def test_polygons_that_are_none_are_refused(outline: Any, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        fill_outlines([outline], (100, 20_000))
