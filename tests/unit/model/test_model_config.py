"""Configurations: a JSON round trip, clear errors."""

import dataclasses
import json

import pytest

from anymask.core.errors import CheckpointError
from anymask.model.config import SamConfig
from anymask.model.presets import PRESET_NAMES, preset, tiny, vit_b


@pytest.mark.parametrize("name", PRESET_NAMES)
def test_json_round_trip_keeps_every_field(name):
    config = preset(name)
    assert SamConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


def test_unknown_field_is_a_checkpoint_error():
    with pytest.raises(CheckpointError, match="colour"):
        SamConfig.from_json({**tiny().to_json(), "colour": "red"})


@pytest.mark.parametrize("field", ["name", "image_encoder"])
def test_missing_field_is_a_checkpoint_error(field):
    value = tiny().to_json()
    del value[field]
    with pytest.raises(CheckpointError, match=field):
        SamConfig.from_json(value)


def test_unknown_encoder_is_a_checkpoint_error():
    value = tiny().to_json()
    value["image_encoder"] = {"kind": "swin"}
    with pytest.raises(CheckpointError, match="swin"):
        SamConfig.from_json(value)


def test_image_size_must_fit_the_stride():
    with pytest.raises(CheckpointError, match="multiple of 16, got 100"):
        dataclasses.replace(tiny(), image_size=100)


def test_mask_is_four_times_the_grid():
    assert (vit_b().grid_size, vit_b().mask_size) == (64, 256)
