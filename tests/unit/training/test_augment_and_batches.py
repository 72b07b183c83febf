import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from anymask.core.errors import InvalidInputError
from anymask.core.rle import Rle
from anymask.training.augment import (
    close_up_view,
    cut_image,
    cut_mask,
    full_view,
    random_color,
    random_view,
)
from anymask.training.batches import batches, make_batch, make_validation_batch
from anymask.training.config import AugmentConfig
from anymask.training.examples import Example, ImageCache, read_examples
from anymask.training.presets import tiny


def test_full_view_fills_the_longest_side() -> None:
    view = full_view((48, 64), 32)
    assert view.size == (24, 32)
    assert view.box == (0, 0, 64, 48)


@pytest.mark.parametrize("seed", range(30))
def test_random_view_contains_its_focus_and_stays_in_the_image(seed: int) -> None:
    rng = np.random.default_rng(seed)
    focus = (float(rng.uniform(0, 64)), float(rng.uniform(0, 48)))
    view = random_view((48, 64), focus, 32, AugmentConfig(min_scale=0.5, max_scale=3), rng)
    x0, y0, x1, y1 = view.box
    assert 0 <= x0 <= focus[0] <= x1 <= 64 + 1e-6
    assert 0 <= y0 <= focus[1] <= y1 <= 48 + 1e-6
    assert max(view.size) <= 32


@pytest.mark.parametrize("seed", range(20))
def test_close_up_shows_the_whole_box_as_large_as_it_can(seed: int) -> None:
    rng = np.random.default_rng(seed)
    config = AugmentConfig(min_close_up_margin=1.8, max_close_up_margin=4.5)
    view = close_up_view((480, 640), (300, 200, 380, 260), 256, config, rng)
    x0, y0, x1, y1 = view.box
    assert max(x0 - 300, y0 - 200) <= 0
    assert min(x1 - 380, y1 - 260) >= 0
    assert 1.8 * 80 <= x1 - x0 <= 4.5 * 80 + 2
    assert max(view.size) == 256


def test_close_ups_are_drawn_of_small_masks_only(shapes_folder: Path) -> None:
    plain = dataclasses.replace(tiny(), augment=AugmentConfig())
    examples, _ = read_examples([shapes_folder], validation_fraction=0.0, set_weights={})

    def images(**options: float) -> torch.Tensor:
        augment = dataclasses.replace(plain.augment, close_up_probability=1.0, **options)
        config = dataclasses.replace(plain, augment=augment)
        return make_batch(examples, ImageCache(), config, 3).images

    far, near = images(max_close_up_fraction=0.0), images(max_close_up_fraction=1.0)
    nearer = images(max_close_up_fraction=1.0, min_close_up_margin=1.0, max_close_up_margin=1.0)
    assert not torch.equal(far, near)
    assert not torch.equal(near, nearer)


def test_image_and_mask_are_cut_alike() -> None:
    from PIL import Image

    mask = np.zeros((48, 64), bool)
    mask[10:30, 20:50] = True
    image = Image.fromarray(np.where(mask[..., None], 250, 5).astype(np.uint8).repeat(3, 2))
    rng = np.random.default_rng(3)
    for _ in range(10):
        view = random_view((48, 64), (35, 20), 64, AugmentConfig(), rng)
        pixels = cut_image(image, (48, 64), view, 64)
        cut = cut_mask(Rle.from_mask(mask), view, 64)
        h, w = view.size
        differs = (pixels[:h, :w, 0] > 128) != cut[:h, :w]
        assert differs.mean() < 0.03
        assert not cut[h:].any()
        assert not cut[:, w:].any()


def test_color_matrix_without_jitter_is_the_identity() -> None:
    config = AugmentConfig(color_jitter=0.0, grey_probability=0.0)
    matrix = np.array(random_color(config, np.random.default_rng(0))).reshape(3, 4)
    np.testing.assert_allclose(matrix, np.eye(3, 4), atol=1e-12)


def test_batch_is_a_pure_function_of_its_step(shapes_folder: Path) -> None:
    config = tiny()
    examples, _ = read_examples([shapes_folder], validation_fraction=0.0, set_weights={})
    first = make_batch(examples, ImageCache(), config, step=5)
    again = make_batch(examples, ImageCache(), config, step=5)
    other = make_batch(examples, ImageCache(), config, step=6)
    assert torch.equal(first.images, again.images)
    assert torch.equal(first.target_masks, again.target_masks)
    assert not torch.equal(first.images, other.images)


def test_batch_has_the_promised_shapes(shapes_folder: Path) -> None:
    config = tiny()
    examples, _ = read_examples([shapes_folder], validation_fraction=0.0, set_weights={})
    batch = make_batch(examples, ImageCache(), config, step=0)
    assert batch.images.shape == (8, 3, 64, 64)
    assert batch.target_masks.shape == (16, 16, 16)
    assert batch.image_index.tolist() == [i // 2 for i in range(16)]
    assert bool((batch.target_boxes[:, 2:] > batch.target_boxes[:, :2]).all())
    assert float(batch.target_masks.max()) == 1.0


def test_batches_made_ahead_equal_batches_made_one_by_one(shapes_folder: Path) -> None:
    config = dataclasses.replace(
        tiny(), stages=(dataclasses.replace(tiny().stages[0], end_step=5),)
    )
    examples, _ = read_examples([shapes_folder], validation_fraction=0.0, set_weights={})
    ahead = list(batches(examples, ImageCache(), config, first_step=2))
    assert len(ahead) == 3
    for step, batch in zip(range(2, 5), ahead, strict=True):
        alone = make_batch(examples, ImageCache(), config, step)
        assert torch.equal(batch.images, alone.images)


def test_validation_images_do_not_train_and_the_split_is_stable(shapes_folder: Path) -> None:
    train, held_out = read_examples([shapes_folder], validation_fraction=0.5, set_weights={})
    again, held_out_again = read_examples([shapes_folder], validation_fraction=0.5, set_weights={})
    assert held_out
    assert not {e.path for e in held_out} & {e.path for e in train.examples}
    assert [e.path for e in held_out] == [e.path for e in held_out_again]
    assert train.probabilities.sum() == pytest.approx(1)
    assert len(again.examples) + len(held_out) == 6


def test_validation_batch_is_the_whole_image(shapes_folder: Path) -> None:
    train, _ = read_examples([shapes_folder], validation_fraction=0.0, set_weights={})
    batch = make_validation_batch(train.examples[:2], ImageCache(), tiny(), 64)
    assert batch.images.shape[0] == 2
    assert len(batch.target_masks) == 4


def test_validation_targets_are_of_all_sizes(tmp_path: Path) -> None:
    from PIL import Image

    path = tmp_path / "photo.png"
    Image.new("RGB", (64, 64)).save(path)
    masks = []
    for side in (40, 32, 24, 16, 12, 8):
        mask = np.zeros((64, 64), bool)
        mask[:side, :side] = True
        masks.append(Rle.from_mask(mask))
    example = Example(path=path, original_size=(64, 64), masks=masks, names=("",) * len(masks))
    config = dataclasses.replace(tiny(), masks_per_image=3)
    batch = make_validation_batch((example,), ImageCache(), config, 64)
    assert batch is not None
    assert batch.target_boxes[:, 2].tolist() == [40, 24, 8]


def test_weight_for_an_unknown_set_names_the_known_ones(shapes_folder: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"'cars'.*Known: shapes"):
        read_examples([shapes_folder], validation_fraction=0.0, set_weights={"cars": 2.0})
