"""The training presets against the numbers of App. A, and that they run when made small."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from anymask.core.errors import UnknownNameError
from anymask.core.rle import Rle
from anymask.model.checkpoints import build_sam
from anymask.model.presets import preset as model_preset
from anymask.model.presets import tiny_vit
from anymask.training.augment import full_view, random_view
from anymask.training.batches import make_batch
from anymask.training.config import AugmentConfig, Stage, TrainConfig
from anymask.training.examples import ExampleSet, ImageCache, read_examples
from anymask.training.presets import PRESET_NAMES, paper_vit_b, preset
from anymask.training.regularization import set_regularization
from anymask.training.step import step_draws, training_losses

PAPER = [name for name in PRESET_NAMES if name.startswith(("paper_vit", "data_engine"))]


@pytest.mark.parametrize(
    ("name", "model", "steps", "batch", "rate", "layer_decay", "drop_path"),
    [
        ("paper_vit_h", "vit_h", 90_000, 256, 8e-4, 0.8, 0.4),
        ("paper_vit_l", "vit_l", 180_000, 128, 4e-4, 0.8, 0.4),
        ("paper_vit_b", "vit_b", 180_000, 128, 8e-4, 0.6, 0.6),
        ("data_engine_vit_h", "vit_h_engine", 177_656, 256, 8e-4, 0.8, 0.4),
    ],
)
def test_optimisation_is_the_papers(
    name: str,
    model: str,
    steps: int,
    batch: int,
    rate: float,
    layer_decay: float,
    drop_path: float,
) -> None:
    config = preset(name)
    assert (config.model, config.num_steps) == (model, steps)
    assert config.stages[0].batch_size == batch
    assert config.stages[0].image_size == 1024
    assert config.optim.learning_rate == rate
    assert config.optim.layer_decay == layer_decay
    assert config.drop_path == drop_path
    assert (config.optim.weight_decay, config.optim.warmup_steps) == (0.1, 250)
    assert (config.decoder_dropout, config.masks_per_image) == (0.1, 64)
    assert config.max_image_fraction == 0.9


@pytest.mark.parametrize("name", PAPER)
def test_losses_are_the_papers(name: str) -> None:
    loss = preset(name).loss
    assert (loss.focal_weight, loss.dice_weight, loss.iou_weight) == (20, 1, 1)
    assert loss.other_masks_weight == loss.single_mask_weight == loss.affinity_weight == 0
    assert loss.iou_error == "squared"
    assert not loss.supervise_all_ious


def test_engine_decoder_has_three_layers() -> None:
    assert model_preset("vit_h_engine").decoder_depth == 3
    assert model_preset("vit_h_engine").image_encoder == model_preset("vit_h").image_encoder


def test_stages_one_and_two_are_jittered_from_a_tenth_to_twice() -> None:
    config = preset("paper_vit_h_lsj").augment
    rng = np.random.default_rng(0)
    views = [random_view((512, 512), (256, 256), 1024, config, rng) for _ in range(300)]
    scales = np.array([view.size[0] / (view.box[3] - view.box[1]) / 2 for view in views])
    assert 0.1 <= scales.min() < 0.2
    assert 1.9 < scales.max() <= 2.0
    assert 0.42 < np.mean(scales > 1.05) < 0.58  # uniform, not log-uniform
    assert 0.4 < np.mean([view.flip for view in views]) < 0.6


def test_automatic_masks_are_trained_on_as_they_are() -> None:
    config = preset("paper_vit_h").augment
    rng = np.random.default_rng(0)
    for _ in range(20):
        view = random_view((480, 640), (10, 10), 1024, config, rng)
        assert view == full_view((480, 640), 1024)


def test_mixed_stages_draw_manual_masks_ten_times_as_often(
    shapes_folder: Path, tmp_path: Path
) -> None:
    config = preset("paper_vit_h_mixed")
    for name in ("manual", "semi_automatic", "automatic"):
        shutil.copytree(shapes_folder, tmp_path / name)
    examples, _ = read_examples(
        [tmp_path],
        validation_fraction=0.0,
        set_weights=dict(config.set_weights),
        set_size_power=config.set_size_power,
    )
    by_set = dict(config.set_weights)
    for example, probability in zip(examples.examples, examples.probabilities, strict=True):
        name = example.path.parts[len(tmp_path.parts)]
        assert probability == pytest.approx(by_set[name] / (6 * 21))


def _shrunk(config: TrainConfig) -> TrainConfig:
    stage = Stage(end_step=1, image_size=64, batch_size=2)
    return replace(
        config,
        model="tiny_vit",
        stages=(stage,),
        masks_per_image=2,
        masks_per_chunk=3,
        min_mask_fraction=0.002,
    )


@pytest.mark.parametrize("name", PAPER)
def test_papers_recipe_teaches_every_parameter(name: str, shapes_folder: Path) -> None:
    config = _shrunk(preset(name))
    examples, _ = read_examples([shapes_folder], validation_fraction=0.0, set_weights={})
    batch = make_batch(examples, ImageCache(), config, step=0)
    model = build_sam(tiny_vit(), seed=0).train()
    set_regularization(model, replace(config, drop_path=0.0))
    losses = training_losses(model, batch, config, step_draws(0, 0))
    losses.total.backward()
    assert all(value == value for value in losses.values().values())
    without = {n for n, p in model.named_parameters() if p.grad is None}
    assert not without


def test_mask_of_nearly_the_whole_photograph_is_not_drawn(shapes_folder: Path) -> None:
    examples, _ = read_examples([shapes_folder], validation_fraction=0.0, set_weights={})
    whole = np.zeros((48, 64), bool)
    whole[:, :60] = True  # 94 % of the photograph, 70 % of the padded input
    example = replace(
        examples.examples[0],
        masks=(*examples.examples[0].masks, Rle.from_mask(whole)),
        names=(*examples.examples[0].names, "stuff"),
    )
    only = ExampleSet(examples=(example,), probabilities=np.ones(1))

    def largest(config: TrainConfig) -> float:
        targets = [make_batch(only, ImageCache(), config, step).target_masks for step in range(8)]
        return max(float(masks.mean((1, 2)).max()) for masks in targets)

    config = replace(_shrunk(paper_vit_b()), augment=preset("paper_vit_b").augment)
    assert largest(config) < 0.3
    assert largest(replace(config, max_image_fraction=1.0)) > 0.6


def test_unknown_preset_lists_the_known() -> None:
    with pytest.raises(UnknownNameError, match=r"paper_vit_z.*data_engine_vit_h.*small"):
        preset("paper_vit_z")


def test_scales_out_of_order_are_refused() -> None:
    with pytest.raises(ValueError, match="min_scale must be above 0 and at most max_scale"):
        AugmentConfig(min_scale=2.0, max_scale=1.0)
    with pytest.raises(ValueError, match="min_close_up_margin must be at least 1 and at most"):
        AugmentConfig(min_close_up_margin=0.5)
