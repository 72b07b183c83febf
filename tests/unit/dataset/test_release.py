import dataclasses
import io

import numpy as np
import pytest
from PIL import Image

from anymask.core.errors import InvalidInputError
from anymask.core.records import MaskRecord
from anymask.core.rle import Rle
from anymask.dataset.release import encode_release, release_image, release_size
from sa1b_archives import draw_image, draw_masks


def record(mask: np.ndarray) -> MaskRecord:
    made = MaskRecord.without_generator(Rle.from_mask(mask), id=0, point_coords=((10.0, 6.0),))
    return dataclasses.replace(made, predicted_iou=0.9, crop_box=(8.0, 4.0, 40.0, 24.0))


@pytest.mark.parametrize(
    ("original_size", "released"),
    [
        ((3300, 4950), (1500, 2250)),
        ((4950, 3300), (2250, 1500)),
        ((1500, 1500), (1500, 1500)),
        ((900, 4000), (900, 4000)),
        ((3001, 1501), (2999, 1500)),
    ],
)
def test_the_shortest_side_is_limited_and_nothing_enlarged(
    original_size: tuple[int, int], released: tuple[int, int]
) -> None:
    assert release_size(original_size) == released


def test_masks_points_and_crops_are_scaled_with_the_image() -> None:
    masks = draw_masks(1)
    released = release_image(3, draw_image(1), [record(mask) for mask in masks], 24)
    assert released.original_size == (24, 32)
    assert Image.open(io.BytesIO(released.jpeg)).size == (32, 24)
    for mask, made in zip(masks, released.masks, strict=True):
        assert made.segmentation.size == (24, 32)
        assert made.area == made.segmentation.area == pytest.approx(mask.sum() / 4, rel=0.1)
        assert made.point_coords == ((5.0, 3.0),)
        assert made.crop_box == (4.0, 2.0, 20.0, 12.0)
        assert made.predicted_iou == 0.9


def test_a_small_image_keeps_its_masks_and_loses_empty_ones() -> None:
    masks = [*draw_masks(1), np.zeros((48, 64), dtype=bool)]
    released = release_image(3, draw_image(1), [record(mask) for mask in masks])
    assert [made.segmentation for made in released.masks] == [
        Rle.from_mask(mask) for mask in masks[:2]
    ]


def test_the_jpeg_has_pixels_only_and_is_the_same_each_time() -> None:
    image = draw_image(5)
    data = encode_release(image)
    assert data == encode_release(image)
    opened = Image.open(io.BytesIO(data))
    assert opened.format == "JPEG"
    assert not opened.getexif()
    assert np.abs(np.asarray(opened).astype(int) - image).mean() < 20


def test_masks_of_another_size_are_refused() -> None:
    mask = record(np.ones((5, 5), dtype=bool))
    with pytest.raises(InvalidInputError, match="image's size"):
        release_image(1, draw_image(1), [mask])


def test_sides_beyond_jpeg_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="65,500"):
        encode_release(np.zeros((1, 70_000, 3), dtype=np.uint8))
