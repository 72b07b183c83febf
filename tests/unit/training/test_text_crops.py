import numpy as np
import pytest
from PIL import Image

from anymask.core.errors import InvalidInputError
from anymask.core.rle import Rle
from anymask.training.config import TextConfig
from anymask.training.text_crops import (
    TextCrop,
    collate_crops,
    draw_text_crop,
    draw_text_crops,
)

SIZE = (60, 100)  # H, W
FILL = (123, 117, 104)


def _config(**changes: object) -> TextConfig:
    settings = {"source": "clip_crops", "crop_size": 40, "min_area": 1} | changes
    return TextConfig(**settings)  # type: ignore[arg-type]


def _scene(y0: int, y1: int, x0: int, x1: int) -> tuple[Image.Image, Rle]:
    """A red object on grey."""
    mask = np.zeros(SIZE, bool)
    mask[y0:y1, x0:x1] = True
    pixels = np.full((*SIZE, 3), 50, np.uint8)
    pixels[mask] = (200, 0, 0)
    return Image.fromarray(pixels), Rle.from_mask(mask)


def _crop(scene: tuple[Image.Image, Rle], seed: int = 0, **changes: object) -> TextCrop:
    image, mask = scene
    crop = draw_text_crop(image, SIZE, mask, _config(**changes), np.random.default_rng(seed))
    assert crop is not None
    return crop


def test_crop_without_expansion_is_the_box_made_square() -> None:
    crop = _crop(_scene(20, 30, 40, 60), max_expansion=1.0, hide_background_probability=0.0)
    assert crop.image.shape == (40, 40, 3)
    # 20 by 10 pixels drawn at twice their size, in the middle of the square
    expected = np.zeros((40, 40), bool)
    expected[10:30] = True
    assert np.array_equal(crop.mask, expected)
    assert (crop.image[13:27, 3:-3] == (200, 0, 0)).all()
    assert (crop.image[:7, 3:-3] == 50).all()


def test_expansion_is_uniform_between_one_and_the_maximum() -> None:
    scene = _scene(25, 35, 45, 55)
    factors = []
    for seed in range(60):
        crop = _crop(scene, seed, crop_size=200)
        factors.append(200 / np.flatnonzero(crop.mask.any(0)).size)
    assert min(factors) < 1.1
    assert max(factors) > 1.9
    assert np.mean(factors) == pytest.approx(1.5, abs=0.1)
    assert max(factors) <= 2.02  # a rounded pixel


def test_crop_moves_inside_the_image_where_it_fits() -> None:
    # 20 pixels wide in the corner, doubled to 40 of 60 by 100: nothing needs to be padded
    for seed in range(20):
        crop = _crop(_scene(0, 20, 80, 100), seed, hide_background_probability=0.0)
        assert crop.mask[0, -1]
        assert not (crop.image == FILL).all(-1).any()


def test_crop_larger_than_the_image_is_padded() -> None:
    crop = _crop(_scene(20, 30, 0, 100), max_expansion=1.0, hide_background_probability=0.0)
    # 100 pixels are 40, so the image's 60 rows are 24, with 8 above and below
    filled = (crop.image == FILL).all(-1)
    assert filled[:8].all()
    assert filled[32:].all()
    assert not filled[8:32].any()
    assert np.flatnonzero(crop.mask.any(1)).tolist() == [16, 17, 18, 19]


def test_background_is_hidden_half_of_the_time() -> None:
    scene = _scene(20, 30, 40, 60)
    hidden = [bool((_crop(scene, seed).image[0] == FILL).all()) for seed in range(200)]
    assert 70 < sum(hidden) < 130
    crop = _crop(scene, hide_background_probability=1.0)
    assert (crop.image[~crop.mask] == FILL).all()
    assert not (crop.image[crop.mask] == FILL).all(-1).any()


def test_small_targets_have_no_crop() -> None:
    image, mask = _scene(20, 30, 40, 60)
    rng = np.random.default_rng(0)
    assert draw_text_crop(image, SIZE, mask, _config(min_area=201), rng) is None
    assert draw_text_crop(image, SIZE, mask, _config(min_area=200), rng) is not None
    nothing = Rle.from_mask(np.zeros(SIZE, bool))
    assert draw_text_crop(image, SIZE, nothing, _config(min_area=0), rng) is None
    assert TextConfig().min_area == 100**2


def test_thin_target_does_not_vanish() -> None:
    crop = _crop(_scene(20, 21, 0, 100), max_expansion=1.0)
    assert crop.mask.any(0).all()


def test_thumbnail_gives_the_crop_of_the_photograph() -> None:
    image, mask = _scene(20, 40, 40, 60)
    small = image.resize((SIZE[1] // 2, SIZE[0] // 2), Image.Resampling.BOX)
    a, b = _crop((image, mask), 3), _crop((small, mask), 3)
    assert np.array_equal(a.mask, b.mask)
    assert np.abs(a.image.astype(int) - b.image).mean() < 5


def test_views_are_the_same_with_crops_and_without() -> None:
    image, mask = _scene(20, 30, 40, 60)
    with_crops, without = (np.random.default_rng([1, 2, 3]) for _ in range(2))
    first = draw_text_crops(image, SIZE, [mask, mask], _config(), with_crops)
    assert draw_text_crops(image, SIZE, [mask, mask], TextConfig(), without) == [None, None]
    assert with_crops.random() == without.random()
    again = draw_text_crops(image, SIZE, [mask, mask], _config(), np.random.default_rng([1, 2, 3]))
    for a, b in zip(first, again, strict=True):
        assert a is not None
        assert b is not None
        assert np.array_equal(a.image, b.image)
    assert first[0] is not None
    assert first[1] is not None
    assert not np.array_equal(first[0].image, first[1].image)


def test_crops_of_a_batch_know_their_targets() -> None:
    crop = _crop(_scene(20, 30, 40, 60))
    crops = collate_crops([None, crop, None, crop])
    assert crops is not None
    assert crops.target_index.tolist() == [1, 3]
    assert crops.images.shape == (2, 3, 40, 40)
    assert np.array_equal(crops.images[1].permute(1, 2, 0), crop.image)
    assert np.array_equal(crops.masks[0], crop.mask)
    assert collate_crops([None, None]) is None


@pytest.mark.parametrize("changes", [{"source": "clip"}, {"crop_size": 0}, {"max_expansion": 0.5}])
def test_wrong_settings_are_told(changes: dict[str, object]) -> None:
    with pytest.raises(InvalidInputError, match=next(iter(changes))):
        _config(**changes)
