import numpy as np
import pytest

from anymask.core.errors import InvalidInputError
from anymask.core.regions import connected_components, remove_small_regions


def drawn(*rows):
    return np.array([[char == "#" for char in row] for row in rows])


def test_components_join_over_corners_unless_told_otherwise():
    mask = drawn("#.", ".#")
    labels, count = connected_components(mask)
    assert count == 1
    assert labels.dtype == np.int32
    assert connected_components(mask, 4)[1] == 2


def test_small_hole_is_filled_and_the_input_kept():
    mask = drawn("#####", "#.#.#", "###.#", "#####")
    before = mask.copy()
    filled, changed = remove_small_regions(mask, 2, "holes")
    assert changed
    np.testing.assert_array_equal(filled, drawn("#####", "###.#", "###.#", "#####"))
    np.testing.assert_array_equal(mask, before)


def test_background_at_the_border_is_no_hole():
    for mask in (drawn("##.", "###"), drawn("#####", "##.##"), drawn(".....", ".#.#.", ".###.")):
        same, changed = remove_small_regions(mask, 100, "holes")
        assert not changed
        np.testing.assert_array_equal(same, mask)


def test_hole_closed_by_a_diagonal_is_filled():
    mask = drawn("...#..", "..#.#.", "...#..", "......")
    filled, changed = remove_small_regions(mask, 2, "holes")
    assert changed
    assert filled[1, 3]
    assert filled.sum() == 5


def test_small_islands_go():
    mask = drawn("##..#", "##...", "....#")
    kept, changed = remove_small_regions(mask, 3, "islands")
    assert changed
    np.testing.assert_array_equal(kept, drawn("##...", "##...", "....."))


def test_largest_island_stays_when_all_are_small():
    kept, changed = remove_small_regions(drawn("##..#"), 100, "islands")
    assert changed
    np.testing.assert_array_equal(kept, drawn("##..."))
    kept, changed = remove_small_regions(drawn("##..."), 100, "islands")
    assert not changed
    assert kept.sum() == 2


def test_region_of_exactly_the_least_area_stays():
    assert not remove_small_regions(drawn("###.#"), 1, "islands")[1]
    assert not remove_small_regions(drawn("###", "#.#", "###"), 1, "holes")[1]


@pytest.mark.parametrize("mode", ["holes", "islands"])
@pytest.mark.parametrize("value", [True, False])
def test_full_and_empty_masks_do_not_change(mode, value):
    mask = np.full((4, 4), value)
    same, changed = remove_small_regions(mask, 100, mode)
    assert not changed
    np.testing.assert_array_equal(same, mask)


def test_unknown_mode_and_float_mask_are_refused():
    with pytest.raises(InvalidInputError, match='"holes" or "islands"'):
        remove_small_regions(np.ones((2, 2), dtype=bool), 1, "dust")
    with pytest.raises(InvalidInputError, match="mask must be a bool array"):
        remove_small_regions(np.ones((2, 2)), 1, "holes")
