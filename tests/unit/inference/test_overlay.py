import numpy as np
import pytest

from anymask.core.palette import PALETTE
from anymask.core.prompts import Prompt
from anymask.inference.overlay import draw_overlay

GREY = np.full((60, 80, 3), 128, dtype=np.uint8)


def block() -> np.ndarray:
    mask = np.zeros((60, 80), dtype=bool)
    mask[20:50, 10:40] = True
    return mask


def test_inside_is_tinted_outside_is_dimmed_and_the_edge_is_strongest():
    overlay = draw_overlay(GREY, [block()]).astype(int)
    blue = PALETTE[0]
    inside, outside, edge = overlay[35, 25], overlay[5, 70], overlay[35, 10]
    assert outside.tolist() == [79, 79, 79]
    assert inside[2] > 160 > 128 > inside[0]
    assert np.abs(edge - blue).sum() < np.abs(inside - blue).sum()


def test_image_itself_is_not_changed():
    image = GREY.copy()
    draw_overlay(image, [block()], [Prompt(point_coords=[[3, 3]])])
    assert np.array_equal(image, GREY)


def test_no_line_runs_along_the_border_of_the_image():
    full = np.ones((60, 80), dtype=bool)
    overlay = draw_overlay(GREY, [full])
    assert (overlay == overlay[0, 0]).all()


def test_later_mask_lies_on_top_and_empty_ones_leave_no_trace():
    empty = np.zeros((60, 80), dtype=bool)
    both = draw_overlay(GREY, [block(), empty, block()])
    orange = draw_overlay(GREY, [empty, empty, block()])
    assert np.array_equal(both[35, 25], orange[35, 25])
    assert (draw_overlay(GREY, [empty]) == 79).all()


@pytest.mark.parametrize(("label", "channel"), [(1, 1), (0, 0)])
def test_clicks_are_green_or_red_dots_with_a_white_rim(label, channel):
    overlay = draw_overlay(GREY, [], [Prompt(point_coords=[[40, 30]], point_labels=[label])])
    assert overlay[30, 40].argmax() == channel
    ring = overlay[30, 40:50].min(axis=1)
    assert ring.max() > 200


def test_box_is_a_light_frame():
    overlay = draw_overlay(GREY, [], [Prompt(box=[10, 10, 60, 50])]).astype(int)
    assert overlay[10, 30].min() > 180
    assert overlay[30, 30].tolist() == [79, 79, 79]


def test_prompts_beyond_the_border_are_clipped():
    overlay = draw_overlay(GREY, [], [Prompt(point_coords=[[80, 60]], box=[-50, -50, 200, 200])])
    assert overlay.shape == GREY.shape


def test_image_of_one_pixel_is_drawn():
    one = np.ones((1, 1), dtype=bool)
    assert draw_overlay(GREY[:1, :1], [one], [Prompt(point_coords=[[0, 0]])]).shape == (1, 1, 3)
