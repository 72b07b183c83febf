import json

import pytest
import torch
from torch import nn

from anymask.core.errors import InvalidInputError, UnknownNameError
from anymask.training.config import OptimConfig, Stage, TrainConfig, config_from_json
from anymask.training.optim import MovingAverage, build_optimizer, learning_rate
from anymask.training.presets import PRESET_NAMES, preset


@pytest.mark.parametrize("name", PRESET_NAMES)
def test_config_survives_json(name: str) -> None:
    config = preset(name)
    assert config_from_json(json.loads(json.dumps(config.to_json()))) == config


def test_setting_is_typed_and_nested() -> None:
    config = preset("tiny").with_setting("optim.learning_rate", "1e-4")
    assert config.optim.learning_rate == 1e-4
    assert config.with_setting("loss.supervise_all_ious", "false").loss.supervise_all_ious is False
    stages = config.with_setting("stages", "10:64:4,20:96:2").stages
    assert stages[1] == Stage(end_step=20, image_size=96, batch_size=2)
    weights = config.with_setting("set_weights", "a:3,b:0.5").set_weights
    assert weights == (("a", 3.0), ("b", 0.5))


def test_wrong_setting_lists_the_fields() -> None:
    with pytest.raises(UnknownNameError, match="learning_rate"):
        preset("tiny").with_setting("optim.lr", "1")


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("seed", "many"),
        ("loss.supervise_all_ious", "maybe"),
        ("stages", "1:2"),
        ("set_weights", "a"),
    ],
)
def test_setting_of_the_wrong_type_is_refused(field: str, text: str) -> None:
    with pytest.raises(InvalidInputError, match="must be like"):
        preset("tiny").with_setting(field, text)


def test_stages_out_of_order_are_refused() -> None:
    stages = (
        Stage(end_step=9, image_size=64, batch_size=1),
        Stage(end_step=5, image_size=64, batch_size=1),
    )
    with pytest.raises(InvalidInputError, match="increasing"):
        TrainConfig(model="tiny", stages=stages)


def test_learning_rate_warms_up_stays_and_falls() -> None:
    config = OptimConfig(learning_rate=1.0, warmup_steps=10, decay_fraction=0.2)
    rates = [learning_rate(step, 100, config) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[10] == rates[79] == 1.0
    assert rates[90] == pytest.approx(0.5)
    assert rates[99] == pytest.approx(0.05)


def test_norms_biases_and_embeddings_are_not_decayed() -> None:
    model = nn.ModuleDict({"a": nn.Linear(2, 3), "n": nn.LayerNorm(3), "e": nn.Embedding(4, 3)})
    decayed, others = build_optimizer(model, OptimConfig()).param_groups
    assert [p.shape for p in decayed["params"]] == [torch.Size([3, 2])]
    assert others["weight_decay"] == 0.0
    assert len(others["params"]) == 4


def test_moving_average_follows_with_its_decay() -> None:
    model = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(model.weight)
    average = MovingAverage(model, decay=0.5)
    nn.init.ones_(model.weight)
    average.update(model, step=1000)
    assert float(average.values["weight"]) == pytest.approx(0.5)
