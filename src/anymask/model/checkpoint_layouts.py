"""Other people's SAM checkpoints: the official and the transformers key layouts, both ways.

All functions work on state dictionaries; files are the business of `checkpoint_files`.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from anymask.core.errors import CheckpointError
from anymask.model.config import SamConfig, VitConfig
from anymask.model.presets import vit_b, vit_h, vit_l

State = dict[str, Tensor]

_SHARED = "shared_image_embedding.positional_embedding"
# transformers keeps the same tensor a second time under this name.
_TIED = "prompt_encoder.shared_embedding.positional_embedding"
# (ours, transformers'), applied in this order in both directions: long names before their parts.
_RENAMES = (
    ("image_encoder.blocks.", "vision_encoder.layers."),
    ("image_encoder.patch_embed.proj.", "vision_encoder.patch_embed.projection."),
    ("image_encoder.neck.0.", "vision_encoder.neck.conv1."),
    ("image_encoder.neck.1.", "vision_encoder.neck.layer_norm1."),
    ("image_encoder.neck.2.", "vision_encoder.neck.conv2."),
    ("image_encoder.neck.3.", "vision_encoder.neck.layer_norm2."),
    ("image_encoder.pos_embed", "vision_encoder.pos_embed"),
    ("prompt_encoder.pe_layer.positional_encoding_gaussian_matrix", _SHARED),
    ("prompt_encoder.mask_downscaling.0.", "prompt_encoder.mask_embed.conv1."),
    ("prompt_encoder.mask_downscaling.1.", "prompt_encoder.mask_embed.layer_norm1."),
    ("prompt_encoder.mask_downscaling.3.", "prompt_encoder.mask_embed.conv2."),
    ("prompt_encoder.mask_downscaling.4.", "prompt_encoder.mask_embed.layer_norm2."),
    ("prompt_encoder.mask_downscaling.6.", "prompt_encoder.mask_embed.conv3."),
    ("mask_decoder.output_upscaling.0.", "mask_decoder.upscale_conv1."),
    ("mask_decoder.output_upscaling.1.", "mask_decoder.upscale_layer_norm."),
    ("mask_decoder.output_upscaling.3.", "mask_decoder.upscale_conv2."),
    (".norm1.", ".layer_norm1."),
    (".norm2.", ".layer_norm2."),
    (".norm3.", ".layer_norm3."),
    (".norm4.", ".layer_norm4."),
    (".norm_final_attn.", ".layer_norm_final_attn."),
)
_POINTS = "prompt_encoder.point_embeddings"
_HEAD = re.compile(
    r"(mask_decoder\.(?:iou_prediction_head|output_hypernetworks_mlps\.\d+))"
    r"\.(layers\.\d+|proj_in|proj_out)\.(.*)"
)


def layout_of(state: Mapping[str, Tensor]) -> str | None:
    """The layout of a state dictionary: "official", "transformers", or None when it is neither."""
    if f"{_POINTS}.0.weight" in state:
        return "official"
    return "transformers" if any(key.startswith("vision_encoder.") for key in state) else None


def from_official(state: Mapping[str, Tensor]) -> State:
    """Our state of an official one: the four point embeddings become rows of one table."""
    ours = {key: value for key, value in state.items() if not key.startswith("pixel_")}
    return _stack_points(ours, _POINTS)


def to_official(state: Mapping[str, Tensor]) -> State:
    """The official state of ours."""
    theirs = {key: value for key, value in state.items() if key != f"{_POINTS}.weight"}
    for i, row in enumerate(state[f"{_POINTS}.weight"]):
        theirs[f"{_POINTS}.{i}.weight"] = row.unsqueeze(0).clone()
    return theirs


def from_transformers(state: Mapping[str, Tensor]) -> State:
    """Our state of one of transformers' `SamModel`."""
    theirs = dict(state)
    tied = theirs.pop(_TIED, None)
    if tied is not None:
        theirs.setdefault(_SHARED, tied)
    depths = _head_depths(theirs)
    ours = {}
    for key, value in theirs.items():
        name = key
        for our_part, their_part in _RENAMES:
            name = name.replace(their_part, our_part)
        ours[_head_from_transformers(name, depths)] = value
    return _stack_points(ours, "prompt_encoder.point_embed")


def to_transformers(state: Mapping[str, Tensor]) -> State:
    """The state of transformers' `SamModel` of ours."""
    depths = _head_depths(state)
    theirs = {}
    for key, value in to_official(state).items():
        name = _head_to_transformers(key, depths)
        name = name.replace(f"{_POINTS}.", "prompt_encoder.point_embed.")
        for our_part, their_part in _RENAMES:
            name = name.replace(our_part, their_part)
        theirs[name] = value
    return theirs


def infer_config(state: Mapping[str, Tensor], *, decoder_num_heads: int = 8) -> SamConfig:
    """The configuration that fits a translated official or transformers state.

    Everything shows in the shapes but the decoder's number of heads, which is 8 in all released
    weights. The name is "vit_b", "vit_l" or "vit_h" for these sizes, else "vit".

    Raises:
        CheckpointError: keys are missing, or shapes are none of a SAM with a plain ViT.
    """
    missing = [key for key in _NEEDED if key not in state]
    if missing:
        raise CheckpointError(
            f"the checkpoint lacks {', '.join(missing[:3])} ({len(missing)} missing). "
            "Use a whole SAM checkpoint."
        )
    try:
        config = _config_of_shapes({key: tuple(v.shape) for key, v in state.items()})
    except (ValueError, IndexError, ZeroDivisionError) as error:
        raise CheckpointError(
            f"the checkpoint's shapes are none of a SAM with a plain ViT ({error}). "
            "Use a SAM checkpoint."
        ) from None
    config = replace(config, decoder_num_heads=decoder_num_heads)
    for known in (vit_b(), vit_l(), vit_h()):
        if replace(config, name=known.name, image_size=known.image_size) == known:
            return replace(config, name=known.name)
    return config


def resize_positions(state: Mapping[str, Tensor], config: SamConfig) -> State:
    """The state with position tables resized to the image size of `config`; a copy if none differ.

    Absolute positions are resized bicubically, the tables of global blocks linearly; windows keep
    their size and so their tables.
    """
    resized = dict(state)
    if not isinstance(config.image_encoder, VitConfig):
        return resized
    side, key = config.grid_size, "image_encoder.pos_embed"
    if key in resized and resized[key].shape[1:3] != (side, side):
        maps = resized[key].float().permute(0, 3, 1, 2)
        maps = F.interpolate(maps, size=(side, side), mode="bicubic", antialias=True)
        resized[key] = maps.permute(0, 2, 3, 1).contiguous()
    for i in config.image_encoder.global_blocks:
        for axis in "hw":
            key = f"image_encoder.blocks.{i}.attn.rel_pos_{axis}"
            if key in resized and resized[key].shape[0] != 2 * side - 1:
                table = resized[key].float().T.unsqueeze(0)
                table = F.interpolate(table, size=2 * side - 1, mode="linear")
                resized[key] = table[0].T.contiguous()
    return resized


_NEEDED = (
    "image_encoder.pos_embed",
    "image_encoder.patch_embed.proj.weight",
    "image_encoder.neck.0.weight",
    "image_encoder.blocks.0.attn.rel_pos_h",
    "image_encoder.blocks.0.mlp.lin1.weight",
    "prompt_encoder.mask_downscaling.3.weight",
    "mask_decoder.mask_tokens.weight",
    "mask_decoder.iou_prediction_head.layers.0.weight",
    "mask_decoder.transformer.layers.0.mlp.lin1.weight",
    "mask_decoder.transformer.layers.0.cross_attn_token_to_image.q_proj.weight",
)


def _config_of_shapes(shapes: dict[str, tuple[int, ...]]) -> SamConfig:
    _, side, _, width = shapes["image_encoder.pos_embed"]
    patch_size = shapes["image_encoder.patch_embed.proj.weight"][-1]
    depth = _count(shapes, r"image_encoder\.blocks\.(\d+)\.")
    tables = [
        shapes[key][0] if (key := f"image_encoder.blocks.{i}.attn.rel_pos_h") in shapes else 0
        for i in range(depth)
    ]
    window_tables = sorted({size for size in tables if size not in (0, 2 * side - 1)})
    if len(window_tables) > 1:
        raise ValueError(f"relative position tables of {window_tables} rows")
    embed_dim = shapes["image_encoder.neck.0.weight"][0]
    layer = "mask_decoder.transformer.layers.0."
    return SamConfig(
        name="vit",
        image_size=side * patch_size,
        image_encoder=VitConfig(
            patch_size=patch_size,
            width=width,
            depth=depth,
            num_heads=width // shapes["image_encoder.blocks.0.attn.rel_pos_h"][1],
            global_blocks=tuple(i for i in range(depth) if tables[i] == 2 * side - 1),
            window_size=(window_tables[0] + 1) // 2 if window_tables else 0,
            mlp_ratio=_mlp_ratio(shapes["image_encoder.blocks.0.mlp.lin1.weight"][0], width),
        ),
        embed_dim=embed_dim,
        mask_prompt_channels=shapes["prompt_encoder.mask_downscaling.3.weight"][0],
        decoder_depth=_count(shapes, r"mask_decoder\.transformer\.layers\.(\d+)\."),
        decoder_mlp_dim=shapes[layer + "mlp.lin1.weight"][0],
        decoder_attention_downsample=embed_dim
        // shapes[layer + "cross_attn_token_to_image.q_proj.weight"][0],
        num_multimask_outputs=shapes["mask_decoder.mask_tokens.weight"][0] - 1,
        iou_head_depth=_count(shapes, r"mask_decoder\.iou_prediction_head\.layers\.(\d+)\."),
        iou_head_dim=shapes["mask_decoder.iou_prediction_head.layers.0.weight"][0],
    )


def _mlp_ratio(hidden_dim: int, width: int) -> float:
    """The ratio whose product with the width truncates to `hidden_dim` again."""
    ratio = hidden_dim / width
    return ratio if int(width * ratio) == hidden_dim else math.nextafter(ratio, math.inf)


def _count(keys: Mapping[str, Any], pattern: str) -> int:
    """One more than the highest index that `pattern` finds in the keys."""
    return 1 + max((int(found[1]) for key in keys if (found := re.match(pattern, key))), default=-1)


def _stack_points(state: State, prefix: str) -> State:
    rows = sorted(key for key in state if re.fullmatch(re.escape(prefix) + r"\.\d+\.weight", key))
    if rows:
        state[f"{_POINTS}.weight"] = torch.cat([state.pop(key) for key in rows])
    return state


def _head_depths(state: Mapping[str, Tensor]) -> dict[str, int]:
    """The number of linear layers of each of the decoder's heads, in either layout."""
    names: dict[str, set[str]] = {}
    for key in state:
        if found := _HEAD.fullmatch(key):
            names.setdefault(found[1], set()).add(found[2])
    return {head: len(layers) for head, layers in names.items()}


def _head_from_transformers(key: str, depths: dict[str, int]) -> str:
    found = _HEAD.fullmatch(key)
    if not found:
        return key
    head, layer, rest = found.groups()
    ends = {"proj_in": 0, "proj_out": depths[head] - 1}
    index = ends[layer] if layer in ends else int(layer.removeprefix("layers.")) + 1
    return f"{head}.layers.{index}.{rest}"


def _head_to_transformers(key: str, depths: dict[str, int]) -> str:
    found = _HEAD.fullmatch(key)
    if not found:
        return key
    head, layer, rest = found.groups()
    index = int(layer.removeprefix("layers."))
    ends = {0: "proj_in", depths[head] - 1: "proj_out"}
    return f"{head}.{ends.get(index, f'layers.{index - 1}')}.{rest}"
