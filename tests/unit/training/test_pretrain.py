import dataclasses
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from anymask.core.errors import InvalidInputError
from anymask.dataset.photo_folder import find_photos
from anymask.model.checkpoints import build_sam, load_sam
from anymask.model.mae import Mae
from anymask.model.mae_checkpoints import load_mae
from anymask.model.presets import tiny_vit, vit_b
from anymask.training.init_model import init_model
from anymask.training.loop import train
from anymask.training.photo_batches import PhotoSet
from anymask.training.pretrain import Pretraining
from anymask.training.pretrain_config import PretrainConfig, mae_tiny
from anymask.training.run_folder import RunFolder
from anymask.training.share import WHOLE, Share


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos of one colour each and a little noise: a visible patch tells all about the others."""
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for i in range(40):
        colors = rng.integers(30, 226, 3) + rng.normal(0, 5, (60, 80, 3))
        Image.fromarray(colors.astype(np.uint8)).save(folder / f"{i:02d}.png")
    return folder


def _config(**changes: object) -> PretrainConfig:
    config = dataclasses.replace(
        mae_tiny(),
        model="tiny_vit",
        image_size=64,
        batch_size=4,
        num_steps=6,
        decoder_width=16,
        decoder_depth=1,
        decoder_num_heads=2,
        validation_fraction=0.3,
        validate_every=3,
        checkpoint_every=2,
        num_pictures=3,
        dtype="float32",
        optim=dataclasses.replace(mae_tiny().optim, warmup_steps=2),
    )
    return dataclasses.replace(config, **changes)  # type: ignore[arg-type]


def _objective(folder: Path, config: PretrainConfig) -> Pretraining:
    return Pretraining(config, PhotoSet(find_photos([folder]), config))


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def test_a_run_leaves_weights_scores_and_pictures(photos: Path, tmp_path: Path) -> None:
    objective = _objective(photos, _config())
    folder = train(objective, tmp_path / "run")
    rows = folder.read_log()
    assert [row["step"] for row in rows] == list(range(6))
    assert [row["step"] for row in rows if "val_loss" in row] == [2, 5]
    assert all(row["num_images"] == 4 for row in rows)
    pictures = sorted((folder.path / "reconstructions").iterdir())
    assert [p.name for p in pictures] == ["step-0000003.png", "step-0000006.png"]
    with Image.open(pictures[0]) as picture:
        assert picture.size == (2 * 3 * 68, 2 * 68)  # three photos, two a row
    mae = load_mae(folder.weights_path)
    assert mae.config == objective.config.mae
    assert json.loads(folder.config_path.read_text())["batch_size"] == 4


def test_a_run_that_was_stopped_goes_on_as_if_it_had_not_been(photos: Path, tmp_path: Path) -> None:
    whole = train(_objective(photos, _config()), tmp_path / "whole")

    def stop(row: object) -> None:
        if row["step"] == 2:  # type: ignore[index]
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(_objective(photos, _config()), tmp_path / "stopped", on_row=stop)
    again = train(_objective(photos, _config()), tmp_path / "stopped")
    assert [row["loss"] for row in again.read_log()] == [row["loss"] for row in whole.read_log()]
    assert again.weights_path.read_bytes() == whole.weights_path.read_bytes()


def test_other_settings_do_not_go_on(photos: Path, tmp_path: Path) -> None:
    train(_objective(photos, _config(num_steps=2)), tmp_path)
    with pytest.raises(InvalidInputError, match=r"other settings \(mask_fraction\)"):
        train(_objective(photos, _config(mask_fraction=0.5)), tmp_path)


def test_held_out_photos_are_painted_better_with_time(photos: Path, tmp_path: Path) -> None:
    optim = dataclasses.replace(_config().optim, learning_rate=5e-3, warmup_steps=10)
    config = _config(
        num_steps=120, batch_size=8, validate_every=10, optim=optim, normalize_targets=False
    )
    rows = train(_objective(photos, config), tmp_path).read_log()
    scores = [row["val_loss"] for row in rows if "val_loss" in row]
    assert scores[0] > 0.8
    assert scores[-1] < 0.4 * scores[0]


@pytest.mark.parametrize("count", [2, 4])
def test_parts_of_a_batch_have_the_gradients_of_the_whole(photos: Path, count: int) -> None:
    config = _config()
    objective = _objective(photos, config)
    model = objective.build_model()

    def gradients(shares: list[Share]) -> dict[str, torch.Tensor]:
        model.zero_grad()
        for share in shares:
            stream = objective.batches(1, share)
            losses = objective.losses(model, next(stream), 1, share)
            (losses["loss"] / len(shares)).backward()
            stream.close()
        return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}

    whole = gradients([WHOLE])
    assert set(whole) == {name for name, _ in model.named_parameters()}
    parts = gradients([Share(index=i, count=count) for i in range(count)])
    for name, value in whole.items():
        torch.testing.assert_close(parts[name], value, atol=1e-6, rtol=1e-4)


def test_same_seed_same_first_weights(photos: Path) -> None:
    first, same, other = (
        _objective(photos, _config(seed=seed)).build_model().state_dict() for seed in (1, 1, 2)
    )
    assert all(torch.equal(first[key], same[key]) for key in first)
    assert not torch.equal(first["mask_token"], other["mask_token"])


def test_a_loss_that_is_not_finite_names_its_photos(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    objective = _objective(photos, _config())
    batch = next(objective.batches(1, WHOLE))
    bad = batch.sources[2]
    loss: Callable[..., torch.Tensor] = Mae.loss

    def broken(self: Mae, painted: torch.Tensor, images: torch.Tensor, visible: torch.Tensor):  # type: ignore[no-untyped-def]
        values = loss(self, painted, images, visible)
        is_bad = images.flatten(1).mean(1) == self.preprocess(batch.images.float())[2].mean()
        return values / (~is_bad).float()

    monkeypatch.setattr(Mae, "loss", broken)
    text = rf"not finite at step 1 \(loss.*\): {bad}\."
    with pytest.raises(InvalidInputError, match=text):
        train(objective, tmp_path)


def test_training_starts_from_an_auto_encoder(photos: Path, tmp_path: Path) -> None:
    folder = train(_objective(photos, _config(num_steps=2)), tmp_path / "run")
    mae = load_mae(folder.weights_path)
    config = tiny_vit()
    sam, new = init_model(config, str(folder.weights_path), seed=4)
    assert new == ("image_encoder.neck", "prompt_encoder", "mask_decoder")
    assert torch.equal(sam.image_encoder.blocks[1].mlp.lin2.weight, mae.blocks[1].mlp.lin2.weight)
    assert sam.image_encoder.pos_embed.shape == (1, 6, 6, 32)  # from 4 x 4
    fresh = build_sam(config, seed=4)
    assert torch.equal(sam.mask_decoder.iou_token.weight, fresh.mask_decoder.iou_token.weight)
    with pytest.raises(ValueError, match=r"has no place for|needs"):
        init_model(vit_b(), str(folder.weights_path), seed=4)
    with pytest.raises(ValueError, match="masked auto-encoder, which segments nothing"):
        load_sam(folder.weights_path)


def test_without_held_out_photos_there_is_no_score(photos: Path, tmp_path: Path) -> None:
    config = _config(validation_fraction=0.0, num_steps=3)
    folder = train(_objective(photos, config), tmp_path)
    assert not any("val_loss" in row for row in folder.read_log())
    assert not (RunFolder(path=tmp_path).path / "reconstructions").exists()
