"""Learning rates by step and by layer, as tables."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from anymask.core.errors import InvalidInputError
from anymask.model.checkpoints import build_sam
from anymask.model.presets import preset as model_preset
from anymask.model.presets import tiny as tiny_conv
from anymask.model.presets import tiny_vit
from anymask.model.sam import Sam
from anymask.training.config import OptimConfig
from anymask.training.optim import (
    MovingAverage,
    build_optimizer,
    learning_rate,
    parameter_groups,
    set_learning_rate,
)
from anymask.training.presets import data_engine_vit_h, paper_vit_b, paper_vit_h, paper_vit_l


@pytest.mark.parametrize(
    ("step", "rate"),
    [
        (0, 8e-4 / 250),
        (124, 4e-4),
        (249, 8e-4),
        (250, 8e-4),
        (59_999, 8e-4),
        (60_000, 8e-5),
        (86_665, 8e-5),
        (86_666, 8e-6),
        (89_999, 8e-6),
    ],
)
def test_papers_schedule(step: int, rate: float) -> None:
    config = paper_vit_h()
    assert learning_rate(step, config.num_steps, config.optim) == pytest.approx(rate)


def test_papers_schedule_is_stretched_over_longer_runs() -> None:
    assert paper_vit_b().optim.milestones == paper_vit_l().optim.milestones == (120_000, 173_332)
    first, second = data_engine_vit_h().optim.milestones
    assert first / 177_656 == pytest.approx(60_000 / 90_000, abs=1e-5)
    assert second / 177_656 == pytest.approx(86_666 / 90_000, abs=1e-5)


def test_cosine_schedule_falls_from_the_warm_up_to_zero() -> None:
    config = OptimConfig(learning_rate=1.0, schedule="cosine", warmup_steps=10)
    rates = [learning_rate(step, 110, config) for step in range(111)]
    assert rates[4] == pytest.approx(0.5)
    assert max(rates) == rates[10] == 1.0
    assert rates[60] == pytest.approx(0.5)
    assert rates[110] == pytest.approx(0.0)
    assert rates[10:] == sorted(rates[10:], reverse=True)


def _table(model: nn.Module, config: OptimConfig) -> dict[str, tuple[float, float]]:
    """(lr_scale, weight_decay) of every parameter."""
    names = {id(p): name for name, p in model.named_parameters()}
    return {
        names[id(p)]: (group["lr_scale"], group["weight_decay"])
        for group in parameter_groups(model, config)
        for p in group["params"]
    }


def test_layers_of_the_vit_learn_ever_faster() -> None:
    model = build_sam(tiny_vit(), seed=0)  # two blocks
    table = _table(model, OptimConfig(layer_decay=0.8, weight_decay=0.1))
    assert len(table) == len(list(model.parameters()))
    expected = {
        "image_encoder.patch_embed.proj.weight": (0.8**3, 0.1),
        "image_encoder.patch_embed.proj.bias": (0.8**3, 0.0),
        "image_encoder.pos_embed": (0.8**3, 0.0),
        "image_encoder.blocks.0.norm1.weight": (0.8**2, 0.0),
        "image_encoder.blocks.0.attn.qkv.weight": (0.8**2, 0.1),
        "image_encoder.blocks.0.attn.rel_pos_h": (0.8**2, 0.0),
        "image_encoder.blocks.1.mlp.lin2.weight": (0.8, 0.1),
        "image_encoder.neck.0.weight": (1.0, 0.1),
        "image_encoder.neck.1.weight": (1.0, 0.0),
        "prompt_encoder.point_embeddings.weight": (1.0, 0.0),
        "mask_decoder.mask_tokens.weight": (1.0, 0.0),
        "mask_decoder.iou_prediction_head.layers.0.weight": (1.0, 0.1),
    }
    for name, (scale, decay) in expected.items():
        assert table[name] == (pytest.approx(scale), decay), name


def test_stages_of_the_convolutional_encoder_learn_ever_faster() -> None:
    model = build_sam(tiny_conv(), seed=0)
    table = _table(model, OptimConfig(layer_decay=0.5))
    scales = {
        "image_encoder.stem.0.weight": 0.5**5,
        "image_encoder.stage4.0.conv1.weight": 0.5**4,
        "image_encoder.stage8.0.1.weight": 0.5**3,
        "image_encoder.stage8.1.0.conv2.bias": 0.5**3,
        "image_encoder.stage16.1.0.conv1.weight": 0.5**2,
        "image_encoder.stage32.1.qkv.weight": 0.5,
        "image_encoder.lateral32.weight": 1.0,
        "image_encoder.skip4.1.weight": 1.0,
        "mask_decoder.refine8.0.conv1.weight": 1.0,
    }
    for name, scale in scales.items():
        assert table[name][0] == pytest.approx(scale), name


def test_vit_b_has_a_pair_of_groups_for_each_of_its_fourteen_layers() -> None:
    with torch.device("meta"):
        model = Sam(model_preset("vit_b"))
    groups = parameter_groups(model, paper_vit_b().optim)
    scales = sorted({group["lr_scale"] for group in groups})
    assert scales == pytest.approx([0.6**k for k in range(13, -1, -1)])
    assert len(groups) == 28
    assert sum(len(group["params"]) for group in groups) == len(list(model.parameters()))


def test_without_layer_decay_there_are_the_two_groups_of_earlier_runs() -> None:
    groups = parameter_groups(build_sam(tiny_conv(), seed=0), OptimConfig(weight_decay=0.05))
    assert [(g["weight_decay"], g["lr_scale"]) for g in groups] == [(0.05, 1.0), (0.0, 1.0)]


def test_groups_follow_the_rate_by_their_scale() -> None:
    config = OptimConfig(layer_decay=0.8)
    optimizer = build_optimizer(build_sam(tiny_vit(), seed=0), config)
    set_learning_rate(optimizer, 2.0)
    for group in optimizer.param_groups:
        assert group["lr"] == pytest.approx(2.0 * group["lr_scale"])
        del group["lr_scale"]  # as in a checkpoint of an earlier version
    set_learning_rate(optimizer, 3.0)
    assert {group["lr"] for group in optimizer.param_groups} == {3.0}


def test_frozen_parameters_are_in_no_group() -> None:
    model = build_sam(tiny_vit(), seed=0)
    model.image_encoder.requires_grad_(False)
    table = _table(model, OptimConfig())
    assert table
    assert not any(name.startswith("image_encoder") for name in table)
    with pytest.raises(InvalidInputError, match="layer_decay must be 1"):
        parameter_groups(model, OptimConfig(layer_decay=0.8))
    with pytest.raises(InvalidInputError, match="parameters to train, got none"):
        parameter_groups(model.requires_grad_(False), OptimConfig())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layer_decay": 0.0}, "layer_decay must be"),
        ({"layer_decay": 1.5}, "layer_decay must be"),
        ({"schedule": "step"}, "milestones must be rising"),
        ({"milestones": (9, 5)}, "milestones must be rising"),
    ],
)
def test_settings_that_make_no_optimizer_are_refused(
    changes: dict[str, object], message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        replace(OptimConfig(), **changes)  # type: ignore[arg-type]


def test_average_with_decay_zero_is_the_weights() -> None:
    model = nn.Linear(3, 3)
    average = MovingAverage(model, decay=0.0)
    nn.init.normal_(model.weight)
    average.update(model, step=5)
    assert torch.equal(average.values["weight"], model.weight)
