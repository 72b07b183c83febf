import numpy as np
import pytest

from anymask.core.errors import InvalidInputError
from anymask.dataset.privacy.views import ViewConfig, iter_views, tile_starts, view_scales

CONFIG = ViewConfig(tile_px=64, overlap_fraction=0.25)


@pytest.mark.parametrize("length", [1, 63, 64, 65, 100, 112, 113, 500])
def test_tiles_cover_a_side_with_their_overlap(length: int) -> None:
    starts = tile_starts(length, CONFIG)
    ends = [min(start + 64, length) for start in starts]
    assert starts[0] == 0
    assert ends[-1] == length
    assert all(end - start >= 16 for start, end in zip(starts[1:], ends[:-1], strict=True))


def test_large_images_are_seen_whole_and_at_their_own_size() -> None:
    scales = view_scales((300, 640), CONFIG)
    assert scales[0] == pytest.approx(0.1)
    assert scales[-1] == 1
    assert len(scales) == 3  # not more than some threefold apart


def test_small_images_are_enlarged_once() -> None:
    assert view_scales((20, 10), CONFIG) == (2.0,)
    assert view_scales((20, 40), CONFIG) == (1.6,)


def test_boxes_of_views_come_back_to_the_image() -> None:
    image = np.zeros((300, 500, 3), np.uint8)
    image[211:221, 333:353] = 255
    errors = []
    for view in iter_views(image, CONFIG):
        rows, columns = np.nonzero(view.pixels[..., 0] > 128)
        height, width = view.pixels.shape[:2]
        is_whole = len(rows) and columns.min() > 0 and columns.max() < width - 1
        if is_whole and rows.min() > 0 and rows.max() < height - 1:
            box = [[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]]
            back = view.to_image(np.array(box, np.float64))[0]
            errors.append(abs(back - [333, 211, 353, 221]).max() * view.scale)
    assert len(errors) >= 2  # seen in several scales
    assert max(errors) <= 1.5  # of the view's pixels


def test_no_view_is_larger_than_a_tile() -> None:
    image = np.zeros((90, 1000, 3), np.uint8)
    assert max(max(view.pixels.shape) for view in iter_views(image, CONFIG)) <= 64


@pytest.mark.parametrize(
    "wrong", [{"overlap_fraction": 1.0}, {"max_enlargement": 0.5}, {"scale_step": 1.0}]
)
def test_wrong_numbers_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidInputError, match="views must have"):
        ViewConfig(**{"tile_px": 64, "overlap_fraction": 0.25, **wrong})  # type: ignore[arg-type]
