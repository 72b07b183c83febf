import dataclasses
import json

import pytest

from anymask.core.errors import InvalidInputError, UnknownNameError
from anymask.training.optim import learning_rate
from anymask.training.pretrain_config import PRESET_NAMES, PretrainConfig, mae_tiny, preset
from anymask.training.settings import from_json, with_setting


@pytest.mark.parametrize("name", ["mae_vit_b", "mae_vit_l", "mae_vit_h"])
def test_paper_presets_have_the_papers_numbers(name: str) -> None:
    config = preset(name)
    assert config.batch_size == 4096
    assert config.num_epochs(1_281_167) == pytest.approx(1600, rel=1e-4)
    assert config.optim.warmup_steps * 4096 / 1_281_167 == pytest.approx(40, rel=1e-3)
    assert config.optim.learning_rate == pytest.approx(1.5e-4 * 4096 / 256)
    assert config.optim.betas == (0.9, 0.95)
    assert config.optim.weight_decay == 0.05
    assert config.optim.schedule == "cosine"
    mae = config.mae
    assert (mae.image_size, mae.mask_fraction, mae.normalize_targets) == (224, 0.75, True)
    assert (mae.decoder_width, mae.decoder_depth, mae.decoder_num_heads) == (512, 8, 16)
    assert mae.image_encoder.patch_size == 16


def test_learning_rate_warms_up_and_falls_to_nothing_as_a_cosine() -> None:
    config = preset("mae_vit_b")
    steps, optim = config.num_steps, config.optim
    warm = optim.warmup_steps
    assert learning_rate(0, steps, optim) == pytest.approx(2.4e-3 / warm)
    assert learning_rate(warm, steps, optim) == pytest.approx(2.4e-3)
    assert learning_rate((warm + steps) // 2, steps, optim) == pytest.approx(1.2e-3, rel=1e-3)
    assert learning_rate(steps - 1, steps, optim) < 1e-9


@pytest.mark.parametrize("name", PRESET_NAMES)
def test_configurations_survive_json(name: str) -> None:
    config = preset(name)
    assert from_json(PretrainConfig, json.loads(json.dumps(config.to_json()))) == config


def test_epochs_become_steps_and_the_warm_up_keeps_its_part() -> None:
    config = mae_tiny().with_epochs(10, num_photos=3200)
    assert config.num_steps == 500
    assert config.optim.warmup_steps == round(500 * 100 / 1500)
    assert config.num_epochs(3200) == 10
    with pytest.raises(InvalidInputError, match="epochs must be over 0, got -1"):
        config.with_epochs(-1, num_photos=10)


@pytest.mark.parametrize(
    ("setting", "value", "text"),
    [
        ("model", "small", "must have a ViT as its image encoder, got 'small'"),
        ("image_size", "100", "image_size must be a multiple of the patch size 16"),
        ("mask_fraction", "0", "mask_fraction must leave some"),
        ("min_crop_area", "0", r"min_crop_area must be in \(0, 1\]"),
        ("flip_probability", "2", r"flip_probability must be in \[0, 1\]"),
        ("batch_size", "0", "batch_size must be at least 1"),
        ("num_steps", "-3", "num_steps must be at least 1"),
    ],
)
def test_bad_settings_are_one_line(setting: str, value: str, text: str) -> None:
    with pytest.raises(InvalidInputError, match=text) as error:
        with_setting(mae_tiny(), setting, value)
    assert "\n" not in str(error.value)


def test_unknown_names_list_the_known_ones() -> None:
    with pytest.raises(UnknownNameError, match="mae_tiny, mae_vit_b, mae_vit_h, mae_vit_l"):
        preset("mae")
    with pytest.raises(UnknownNameError, match="vit_tiny"):
        dataclasses.replace(mae_tiny(), model="vit_x")
