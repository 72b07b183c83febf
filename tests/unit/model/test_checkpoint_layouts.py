"""Key layouts: translations that undo each other, configurations read off the shapes."""

import dataclasses

import pytest
import torch

from anymask.core.errors import CheckpointError
from anymask.model.checkpoint_layouts import (
    from_official,
    from_transformers,
    infer_config,
    layout_of,
    resize_positions,
    to_official,
    to_transformers,
)
from anymask.model.checkpoints import build_sam
from anymask.model.config import SamConfig, VitConfig
from anymask.model.presets import tiny, tiny_vit, vit_h
from anymask.model.sam import Sam

ODD = SamConfig(
    name="vit",
    image_size=112,
    image_encoder=VitConfig(
        patch_size=8,
        width=36,
        depth=3,
        num_heads=3,
        global_blocks=(0, 2),
        window_size=5,
        mlp_ratio=49 / 36,
    ),
    embed_dim=24,
    mask_prompt_channels=8,
    decoder_depth=3,
    decoder_num_heads=2,
    decoder_mlp_dim=20,
    decoder_attention_downsample=3,
    num_multimask_outputs=5,
    iou_head_depth=4,
    iou_head_dim=12,
)
CONFIGS = [tiny_vit(), ODD]


def state_of(config):
    return build_sam(config, seed=0).state_dict()


@pytest.mark.parametrize("config", CONFIGS, ids=["tiny_vit", "odd"])
@pytest.mark.parametrize(
    ("layout", "there", "back"),
    [
        ("official", to_official, from_official),
        ("transformers", to_transformers, from_transformers),
    ],
)
def test_translation_there_and_back_changes_nothing(config, layout, there, back):
    state = state_of(config)
    theirs = there(state)
    assert layout_of(theirs) == layout
    again = back(theirs)
    assert again.keys() == state.keys()
    assert all(torch.equal(again[key], value) for key, value in state.items())


def test_our_own_layout_is_neither():
    assert layout_of(state_of(tiny())) is None


def test_official_pixel_statistics_are_left_out():
    theirs = to_official(state_of(tiny_vit()))
    theirs["pixel_mean"] = torch.zeros(3, 1, 1)
    assert "pixel_mean" not in from_official(theirs)


def test_the_tied_copy_of_transformers_is_left_out():
    theirs = to_transformers(state_of(tiny_vit()))
    tied = "prompt_encoder.shared_embedding.positional_embedding"
    shared = "shared_image_embedding.positional_embedding"
    theirs[tied] = theirs[shared].clone()
    assert from_transformers(theirs).keys() == state_of(tiny_vit()).keys()
    del theirs[shared]
    assert from_transformers(theirs).keys() == state_of(tiny_vit()).keys()


@pytest.mark.parametrize("config", CONFIGS, ids=["tiny_vit", "odd"])
def test_configuration_is_read_off_the_shapes(config):
    found = infer_config(state_of(config), decoder_num_heads=config.decoder_num_heads)
    assert found == dataclasses.replace(config, name="vit")


def test_windows_wider_than_the_grid_are_windows():
    config = dataclasses.replace(tiny_vit(), image_size=48)
    encoder = infer_config(state_of(config)).image_encoder
    assert encoder.window_size == 4
    assert encoder.global_blocks == (1,)


def test_known_sizes_have_their_names_at_any_image_size():
    config = dataclasses.replace(vit_h(), image_size=512)
    with torch.device("meta"):
        state = Sam(config).state_dict()
    assert infer_config(state) == config


def test_missing_keys_are_named():
    with pytest.raises(CheckpointError, match=r"lacks image_encoder.pos_embed.*missing"):
        infer_config({})


@pytest.mark.parametrize(
    ("key", "shape"),
    [
        ("image_encoder.pos_embed", (6, 6, 32)),
        ("image_encoder.neck.0.weight", ()),
        ("image_encoder.blocks.0.attn.rel_pos_h", (7, 0)),
        ("image_encoder.blocks.0.attn.rel_pos_h", (7,)),
    ],
)
def test_impossible_shapes_are_refused(key, shape):
    with pytest.raises(CheckpointError, match="shapes are none of a SAM"):
        infer_config({**state_of(tiny_vit()), key: torch.zeros(shape)})


def test_two_window_sizes_are_refused():
    state = state_of(ODD)
    state["image_encoder.blocks.0.attn.rel_pos_h"] = torch.zeros(5, 12)
    with pytest.raises(CheckpointError, match="tables of"):
        infer_config(state)


def test_positions_of_the_same_size_stay_as_they_are():
    state = state_of(tiny_vit())
    resized = resize_positions(state, tiny_vit())
    assert all(resized[key] is value for key, value in state.items())


def test_positions_resize_only_where_the_size_matters():
    state = state_of(tiny_vit())
    resized = resize_positions(state, dataclasses.replace(tiny_vit(), image_size=160))
    changed = {key for key, value in state.items() if resized[key] is not value}
    blocks = "image_encoder.blocks.1.attn.rel_pos_"
    assert changed == {"image_encoder.pos_embed", blocks + "h", blocks + "w"}
    assert resized["image_encoder.pos_embed"].shape == (1, 10, 10, 32)
    assert resized[blocks + "h"].shape == (19, 16)


def test_convolutions_have_no_positions_to_resize():
    state = state_of(tiny())
    resized = resize_positions(state, dataclasses.replace(tiny(), image_size=128))
    assert all(resized[key] is value for key, value in state.items())
