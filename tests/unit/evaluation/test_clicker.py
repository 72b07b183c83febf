"""The clicker on 7x7 masks whose farthest pixel can be found by eye."""

import importlib.util
from typing import Any

import numpy as np
import pytest

from anymask.core.prompts import PointLabel
from anymask.evaluation.clicker import next_click, random_click


def draw(*rows: str) -> np.ndarray:
    return np.array([[character == "#" for character in row] for row in rows])


SQUARE = draw(
    ".......",
    ".#####.",
    ".#####.",
    ".#####.",
    ".#####.",
    ".#####.",
    ".......",
)
NOTHING = np.zeros((7, 7), dtype=bool)


def as_tuple(click: Any) -> tuple[int, int, int]:
    return (click.x, click.y, int(click.label))


def test_first_click_is_the_middle_of_the_target() -> None:
    assert as_tuple(next_click(SQUARE)) == (3, 3, PointLabel.FOREGROUND)


def test_image_border_counts_as_boundary() -> None:
    assert as_tuple(next_click(np.ones((7, 7), dtype=bool))) == (3, 3, PointLabel.FOREGROUND)


def test_click_is_inside_a_ring_and_not_in_its_hole() -> None:
    ring = SQUARE.copy()
    ring[2:5, 2:5] = False
    click = next_click(ring)
    assert click is not None
    assert ring[click.y, click.x]


def test_ties_go_to_the_first_pixel_in_raster_order() -> None:
    assert as_tuple(next_click(draw("..##", "..##", "....", "##..", "##.."))) == (2, 0, 1)


def test_perfect_mask_and_empty_target_need_no_click() -> None:
    assert next_click(SQUARE, SQUARE.copy()) is None
    assert next_click(NOTHING) is None
    assert next_click(NOTHING, NOTHING) is None


def test_missed_part_is_clicked_as_foreground() -> None:
    mask = SQUARE.copy()
    mask[3:6] = False
    assert as_tuple(next_click(SQUARE, mask)) == (2, 4, PointLabel.FOREGROUND)


def test_wrong_part_is_clicked_as_background() -> None:
    target = NOTHING.copy()
    target[0, 0] = True
    assert as_tuple(next_click(target, SQUARE)) == (3, 3, PointLabel.BACKGROUND)


def test_wider_error_wins_over_the_larger_area() -> None:
    target = draw("#######", ".......", ".......", ".......", ".......", ".......", ".......")
    mask = draw(".......", ".......", ".###...", ".###...", ".###...", ".......", ".......")
    assert as_tuple(next_click(target, mask)) == (2, 3, PointLabel.BACKGROUND)
    assert as_tuple(next_click(mask, target)) == (2, 3, PointLabel.FOREGROUND)


def test_equally_wide_errors_go_to_the_first_in_raster_order() -> None:
    top, bottom = NOTHING.copy(), NOTHING.copy()
    top[1, 4], bottom[5, 1] = True, True
    assert as_tuple(next_click(top, bottom)) == (4, 1, PointLabel.FOREGROUND)
    assert as_tuple(next_click(bottom, top)) == (4, 1, PointLabel.BACKGROUND)


def test_column_major_masks_give_the_same_click() -> None:
    rng = np.random.default_rng(0)
    target, mask = rng.random((2, 12, 9)) < 0.8
    expected = next_click(target, mask)
    assert next_click(np.asfortranarray(target), mask) == expected


def test_scipy_and_opencv_click_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("cv2")
    rng = np.random.default_rng(1)
    pairs = [rng.random((2, 20, 30)) < density for density in (0.3, 0.6, 0.9, 0.97) * 5]
    with_opencv = [next_click(target, mask) for target, mask in pairs]
    monkeypatch.setattr("anymask.evaluation.clicker.find_spec", lambda name: None)
    assert [next_click(target, mask) for target, mask in pairs] == with_opencv
    assert importlib.util.find_spec("cv2") is not None


def test_random_click_is_on_the_target_and_repeats_with_its_seed() -> None:
    target = draw("....", "..#.", ".##.")
    clicks = [random_click(target, np.random.default_rng(seed)) for seed in range(30)]
    assert {(click.x, click.y) for click in clicks if click} == {(2, 1), (1, 2), (2, 2)}
    assert clicks[4] == random_click(target, np.random.default_rng(4))
    assert random_click(NOTHING, np.random.default_rng(0)) is None
