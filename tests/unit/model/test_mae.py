import numpy as np
import pytest
import torch

from anymask.core.errors import InvalidInputError
from anymask.model.config import VitConfig
from anymask.model.mae import (
    Mae,
    MaeConfig,
    draw_visible,
    patchify,
    sincos_positions,
    unpatchify,
)

CONFIG = MaeConfig(
    name="tiny",
    image_size=32,
    image_encoder=VitConfig(width=16, depth=2, num_heads=2, patch_size=8),
    decoder_width=8,
    decoder_depth=1,
    decoder_num_heads=2,
)


def _mae(config: MaeConfig = CONFIG) -> Mae:
    torch.manual_seed(0)
    return Mae(config).eval()


def _visible(config: MaeConfig, count: int = 1) -> torch.Tensor:
    rows = [draw_visible(config, np.random.default_rng(seed)) for seed in range(count)]
    return torch.from_numpy(np.stack(rows))


def test_a_quarter_of_the_patches_is_visible_each_as_often_as_another() -> None:
    config = MaeConfig(name="paper")
    assert (config.num_patches, config.num_visible) == (196, 49)
    rng = np.random.default_rng(0)
    draws = np.stack([draw_visible(CONFIG, rng) for _ in range(4000)])
    assert draws.shape == (4000, 4)
    assert (np.diff(draws, axis=1) > 0).all()  # ascending, none twice
    counts = np.bincount(draws.ravel(), minlength=16)
    assert np.abs(counts / 4000 - 0.25).max() < 0.03  # over four standard deviations


def test_same_generator_same_patches() -> None:
    a, b = (draw_visible(CONFIG, np.random.default_rng([1, 2])) for _ in range(2))
    assert (a == b).all()


def test_patches_are_cut_by_row_column_colour_and_join_again() -> None:
    images = torch.arange(2 * 3 * 16 * 16, dtype=torch.float32).reshape(2, 3, 16, 16)
    patches = patchify(images, 8)
    assert patches.shape == (2, 4, 192)
    assert torch.equal(patches[1, 2].reshape(8, 8, 3), images[1, :, 8:, :8].permute(1, 2, 0))
    assert torch.equal(unpatchify(patches, 8), images)


def test_positions_follow_the_formula() -> None:
    positions = sincos_positions(5, 8)
    assert positions.shape == (1, 5, 5, 8)
    row, column = 3, 2
    slow = 10_000 ** (-1 / 2)
    expected = [
        *(np.sin(column), np.sin(slow * column), np.cos(column), np.cos(slow * column)),
        *(np.sin(row), np.sin(slow * row), np.cos(row), np.cos(slow * row)),
    ]
    assert positions[0, row, column].tolist() == pytest.approx(expected, abs=1e-6)


def test_the_encoder_sees_the_visible_patches_only() -> None:
    mae, visible = _mae(), _visible(CONFIG)
    images = torch.randn(1, 3, 32, 32)
    hidden = torch.ones(16, dtype=torch.bool)
    hidden[visible[0]] = False
    patches = patchify(images, 8)
    patches[0, hidden] = torch.randn(12, 192)
    with torch.no_grad():
        assert torch.equal(mae.encode(images, visible), mae.encode(unpatchify(patches, 8), visible))
        assert mae.encode(images, visible).shape == (1, 4, 16)


def test_order_of_visible_patches_does_not_matter() -> None:
    mae, visible = _mae(), _visible(CONFIG, 2)
    images = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        a, b = mae(images, visible), mae(images, visible.flip(1))
    torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("normalize", [True, False])
def test_the_loss_counts_hidden_patches_only(normalize: bool) -> None:
    config = MaeConfig(**{**CONFIG.__dict__, "normalize_targets": normalize})
    mae, visible = _mae(config), _visible(config)
    images = torch.randn(1, 3, 32, 32)
    truth = patchify(images, 8)
    if normalize:
        truth = (truth - truth.mean(-1, keepdim=True)) / truth.std(-1, keepdim=True)
    index = visible[0]
    painted = truth.clone()
    painted[0, index] += 100.0
    assert mae.loss(painted, images, visible).item() == pytest.approx(0.0, abs=1e-8)
    hidden = next(i for i in range(16) if i not in index.tolist())
    painted = truth.clone()
    painted[0, hidden] += 2.0
    assert mae.loss(painted, images, visible).item() == pytest.approx(4 / 12, rel=1e-4)


def test_loss_of_a_plain_guess_is_one_with_normalised_targets() -> None:
    mae, visible = _mae(), _visible(CONFIG, 2)
    images = 40 * torch.randn(2, 3, 32, 32) + 90
    zeros = torch.zeros(2, 16, 192)
    assert mae.loss(zeros, images, visible).tolist() == pytest.approx([1, 1], rel=0.01)


@pytest.mark.parametrize("normalize", [True, False])
def test_a_perfect_painter_gives_back_the_photo(normalize: bool) -> None:
    config = MaeConfig(**{**CONFIG.__dict__, "normalize_targets": normalize})
    mae, visible = _mae(config), _visible(config)
    photo = torch.randint(0, 256, (1, 3, 32, 32)).float()
    images = mae.preprocess(photo)
    painted = patchify(images, 8)
    if normalize:
        painted = (painted - painted.mean(-1, keepdim=True)) / painted.std(-1, keepdim=True)
    torch.testing.assert_close(
        mae.reconstruct(painted, images, visible), photo, atol=0.01, rtol=1e-4
    )
    grey = mae.reconstruct(torch.zeros_like(painted), images, visible)
    kept = visible[0]
    assert torch.allclose(patchify(grey, 8)[0, kept], patchify(photo, 8)[0, kept], atol=0.01)
    assert not torch.allclose(grey, photo, atol=20)


def test_every_parameter_learns() -> None:
    mae, visible = _mae(), _visible(CONFIG, 2)
    images = torch.randn(2, 3, 32, 32)
    mae.loss(mae(images, visible), images, visible).sum().backward()
    silent = [n for n, p in mae.named_parameters() if p.grad is None or not p.grad.any()]
    assert silent == []


def test_few_steps_learn_a_pattern_by_heart() -> None:
    mae = _mae().train()
    rows = torch.arange(32).reshape(1, 1, 32, 1)
    images = torch.sin(rows / 3 + torch.arange(3).reshape(1, 3, 1, 1)).expand(4, 3, 32, 32)
    optimizer = torch.optim.AdamW(mae.parameters(), lr=5e-3)
    losses = []
    for step in range(150):
        visible = torch.from_numpy(
            np.stack([draw_visible(CONFIG, np.random.default_rng([step, i])) for i in range(4)])
        )
        loss = mae.loss(mae(images, visible), images, visible).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] > 0.9
    assert losses[-1] < 0.1


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"image_size": 30}, "image_size must be a multiple of the patch size 8, got 30"),
        ({"image_size": 0}, "image_size must be a multiple"),
        ({"mask_fraction": 1.0}, "mask_fraction must leave some"),
        ({"mask_fraction": 0.0}, "mask_fraction must leave some"),
        ({"decoder_width": 6}, "decoder_width must be a multiple of 4, got 6"),
    ],
)
def test_impossible_settings_are_refused(change: dict[str, object], text: str) -> None:
    with pytest.raises(InvalidInputError, match=text):
        MaeConfig(**{**CONFIG.__dict__, **change})  # type: ignore[arg-type]
