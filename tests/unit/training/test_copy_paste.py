"""Pasted objects: where they lie, what they hide, and that they are a function of the seed."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from anymask.core.errors import InvalidInputError
from anymask.core.rle import Rle
from anymask.training.batches import make_batch
from anymask.training.config import AugmentConfig
from anymask.training.copy_paste import Donor, Picture, paste_objects
from anymask.training.examples import ImageCache, read_examples
from anymask.training.presets import tiny

S = 64
PLAIN = AugmentConfig(
    min_scale=1.0, max_scale=1.0, color_jitter=0.0, grey_probability=0.0, paste_probability=1.0
)
RED = (250, 10, 10)


def _donor(_: np.random.Generator | None = None, side: int = 20) -> Donor:
    mask = np.zeros((S, S), bool)
    mask[30 : 30 + side, 10 : 10 + side] = True
    image = np.full((S, S, 3), 240, np.uint8)
    image[mask] = RED
    return Donor(
        image=Image.fromarray(image), original_size=(S, S), mask=Rle.from_mask(mask), name="box"
    )


def _picture(*masks: NDArray[np.bool_]) -> Picture:
    return Picture(
        pixels=np.full((S, S, 3), 100, np.uint8),
        targets=list(enumerate(masks)),
        names=tuple(f"own {i}" for i in range(len(masks))),
    )


def _paste(
    picture: Picture,
    config: AugmentConfig = PLAIN,
    seed: int = 0,
    is_usable: Callable[[NDArray[np.bool_]], bool] = lambda mask: bool(mask.any()),
    view_size: tuple[int, int] = (S, S),
) -> Picture:
    rng = np.random.default_rng(seed)
    return paste_objects(picture, view_size, _donor, is_usable, config, rng)


def test_pasted_object_is_a_target_with_its_pixels_and_name() -> None:
    result = _paste(_picture(), replace(PLAIN, max_pasted=1))
    [(index, mask)] = result.targets
    assert result.names[index] == "box"
    assert 16**2 <= mask.sum() <= 24**2
    is_red = (result.pixels[..., 0] > 200) & (result.pixels[..., 1] < 60)
    assert (is_red & mask).sum() > 0.7 * mask.sum()
    assert not (is_red & ~mask).any()
    assert (result.pixels[~mask] == 100).mean() > 0.9


def test_seam_is_soft() -> None:
    pixels = _paste(_picture(), replace(PLAIN, max_pasted=1)).pixels
    assert len(np.unique(pixels[..., 1])) > 4  # more than the two colours


def test_what_is_hidden_is_lost_and_what_vanishes_is_no_target() -> None:
    whole = np.ones((S, S), bool)
    for seed in range(20):
        result = _paste(_picture(whole), seed=seed)
        masks = np.stack([mask for _, mask in result.targets])
        assert (masks.sum(0) == 1).all()  # every pixel belongs to what lies on top
    first = _paste(_picture(), replace(PLAIN, max_pasted=1)).targets[0][1]
    result = _paste(_picture(first, ~first), replace(PLAIN, max_pasted=1))
    assert [result.names[i] for i, _ in result.targets] == ["box", "own 1"]


def test_objects_stay_in_the_view_and_leave_room() -> None:
    for seed in range(40):
        config = replace(PLAIN, min_scale=0.1, max_scale=2.0)
        for _, mask in _paste(_picture(), config, seed, view_size=(40, 24)).targets:
            assert not mask[40:].any()
            assert not mask[:, 24:].any()
            assert np.flatnonzero(mask.any(0)).size <= 0.75 * 24


def test_one_to_max_pasted_objects() -> None:
    counts = [len(_paste(_picture(), seed=s).names) for s in range(60)]
    assert set(counts) == {1, 2}


def test_probability_is_kept_and_zero_draws_nothing() -> None:
    config = replace(PLAIN, paste_probability=0.3)
    pasted = [bool(_paste(_picture(), config, seed).names) for seed in range(400)]
    assert 0.22 < np.mean(pasted) < 0.38
    rng, picture = np.random.default_rng(0), _picture()
    none = replace(PLAIN, paste_probability=0.0)
    assert paste_objects(picture, (S, S), _donor, lambda _: True, none, rng) is picture
    assert rng.random() == np.random.default_rng(0).random()


def test_picture_stays_when_nothing_usable_would_be_left() -> None:
    picture = _picture(np.ones((S, S), bool))
    assert _paste(picture, is_usable=lambda _: False) is picture


def test_batch_with_pasting_is_a_pure_function_of_its_step(shapes_folder: Path) -> None:
    config = replace(tiny(), augment=replace(tiny().augment, paste_probability=1.0))
    examples, _ = read_examples([shapes_folder], validation_fraction=0.0, set_weights={})
    one, again = (make_batch(examples, ImageCache(), config, step=4) for _ in range(2))
    assert torch.equal(one.images, again.images)
    assert torch.equal(one.target_masks, again.target_masks)
    plain = make_batch(examples, ImageCache(), tiny(), step=4)
    assert not torch.equal(one.images, plain.images)
    assert len(one.target_masks) == len(plain.target_masks)
    assert float(one.target_masks.flatten(1).sum(1).min()) > 0


@pytest.mark.parametrize("value", [-0.1, 1.1])
def test_probability_outside_of_the_unit_interval_is_refused(value: float) -> None:
    with pytest.raises(InvalidInputError, match=r"paste_probability must be in \[0, 1\]"):
        AugmentConfig(paste_probability=value)
