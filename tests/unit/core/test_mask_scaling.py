import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from anymask.core.errors import InvalidInputError
from anymask.core.mask_scaling import scale_mask_down
from anymask.core.rle import Rle

masks = st.tuples(st.integers(1, 12), st.integers(1, 12)).flatmap(
    lambda size: arrays(np.bool_, size)
)


def covered_by_counting(mask: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Twice the share of every small pixel, from an enlargement in which both grids are whole."""
    fine = mask.repeat(size[0], axis=0).repeat(size[1], axis=1).astype(int)
    cells = fine.reshape(size[0], mask.shape[0], size[1], mask.shape[1])
    return 2 * cells.sum(axis=(1, 3)) >= mask.size


@given(masks, st.data())
@settings(max_examples=200, deadline=None)
def test_a_pixel_is_in_if_half_of_it_was(mask: np.ndarray, data: st.DataObject) -> None:
    size = tuple(data.draw(st.integers(1, side)) for side in mask.shape)
    scaled = scale_mask_down(Rle.from_mask(mask), size)
    np.testing.assert_array_equal(scaled.to_mask(), covered_by_counting(mask, size))


def test_the_same_size_changes_nothing() -> None:
    rle = Rle.from_mask(np.eye(5, 7, dtype=bool))
    assert scale_mask_down(rle, (5, 7)) is rle


def test_a_disc_keeps_its_share_of_the_image() -> None:
    rows, columns = np.mgrid[:3300, :4950]
    disc = Rle.from_mask((rows - 1700) ** 2 + (columns - 2000) ** 2 < 800**2)
    scaled = scale_mask_down(disc, (1500, 2250))
    assert scaled.area / (1500 * 2250) == pytest.approx(disc.area / (3300 * 4950), rel=1e-4)
    np.testing.assert_allclose(scaled.to_box(), disc.to_box() * (1500 / 3300), atol=1)


@pytest.mark.parametrize("size", [(6, 4), (4, 0)])
def test_larger_and_empty_sizes_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(InvalidInputError, match="from 1 to the mask's"):
        scale_mask_down(Rle.from_mask(np.eye(5, dtype=bool)), size)
