import numpy as np
import pytest

from anymask.core.errors import InvalidInputError
from anymask.core.regions import connected_components, remove_small_regions
from anymask.core.rle import Rle


def drawn(*rows):
    return Rle.from_mask(np.array([[char == "#" for char in row] for row in rows]))


def test_components_join_over_corners_unless_told_otherwise():
    mask = drawn("#.", ".#")
    labels, count = connected_components(mask)
    assert count == 1
    assert labels.tolist() == [0, 0]
    assert connected_components(mask, 4)[1] == 2


def test_runs_of_one_column_or_at_opposite_ends_of_two_do_not_touch():
    assert connected_components(drawn("#", ".", "#"))[1] == 2
    assert connected_components(drawn(".#", "..", "#."))[1] == 2
    assert connected_components(drawn("#.#", "..."))[1] == 2
    assert connected_components(drawn("..", ".."))[1] == 0


def test_small_hole_is_filled():
    mask = drawn("#####", "#.#.#", "###.#", "#####")
    filled = remove_small_regions(mask, 2, "holes")
    assert filled == drawn("#####", "###.#", "###.#", "#####")


def test_background_at_the_border_is_no_hole():
    for mask in (drawn("##.", "###"), drawn("#####", "##.##"), drawn(".....", ".#.#.", ".###.")):
        assert remove_small_regions(mask, 100, "holes") is mask


def test_hole_closed_by_a_diagonal_is_filled():
    filled = remove_small_regions(drawn("...#..", "..#.#.", "...#..", "......"), 2, "holes")
    assert filled == drawn("...#..", "..###.", "...#..", "......")


def test_small_islands_go():
    kept = remove_small_regions(drawn("##..#", "##...", "....#"), 3, "islands")
    assert kept == drawn("##...", "##...", ".....")


def test_largest_island_stays_when_all_are_small():
    assert remove_small_regions(drawn("##..#"), 100, "islands") == drawn("##...")
    mask = drawn("##...")
    assert remove_small_regions(mask, 100, "islands") is mask


def test_region_of_exactly_the_least_area_stays():
    for mask, mode in ((drawn("###.#"), "islands"), (drawn("###", "#.#", "###"), "holes")):
        assert remove_small_regions(mask, 1, mode) is mask


@pytest.mark.parametrize("mode", ["holes", "islands"])
@pytest.mark.parametrize("value", [True, False])
def test_full_and_empty_masks_do_not_change(mode, value):
    mask = Rle.from_mask(np.full((4, 4), value))
    assert remove_small_regions(mask, 100, mode) is mask


def test_unknown_mode_is_refused():
    with pytest.raises(InvalidInputError, match='"holes" or "islands"'):
        remove_small_regions(drawn("#"), 1, "dust")
