"""Models written in other people's layouts, for use with the reference code or transformers."""

import io
import os
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from anymask.core.errors import CheckpointError, OutputError
from anymask.core.files import write_bytes, write_json
from anymask.model.checkpoint_layouts import to_official, to_transformers
from anymask.model.config import SamConfig, VitConfig
from anymask.model.sam import Sam


def save_official(model: Sam, path: str | os.PathLike[str]) -> None:
    """Write the weights as the .pth that `segment_anything` reads.

    Raises:
        CheckpointError: the model is not of the paper's structure.
        OutputError: the file cannot be written.
    """
    _paper_encoder(model.config)
    buffer = io.BytesIO()
    torch.save(to_official(_cpu_state(model)), buffer)
    write_bytes(path, buffer.getvalue())


def save_transformers(model: Sam, folder: str | os.PathLike[str]) -> None:
    """Write a folder that transformers' `SamModel` and `SamProcessor` read; made when missing.

    Raises:
        CheckpointError: the model is not of the paper's structure.
        OutputError: the folder cannot be written.
    """
    description = transformers_config(model.config)
    place = Path(folder)
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{place} could not be made: {error.strerror}. Choose another place."
        ) from error
    state = {key: value.contiguous() for key, value in to_transformers(_cpu_state(model)).items()}
    write_json(place / "config.json", description)
    write_json(place / "preprocessor_config.json", _preprocessor_json(model.config))
    write_bytes(place / "model.safetensors", safetensors.torch.save(state, {"format": "pt"}))


def _paper_encoder(config: SamConfig) -> VitConfig:
    """The encoder of a model that the other layouts can hold."""
    additions = [
        name
        for name, used in (
            ("high_res_features", config.high_res_features),
            ("prompt_maps", config.prompt_maps),
            ("iou_sigmoid", config.iou_sigmoid),
            ("a ReLU activation", config.activation != "gelu"),
        )
        if used
    ]
    if not isinstance(config.image_encoder, VitConfig):
        additions.insert(0, "a convolutional encoder")
    elif not additions:
        return config.image_encoder
    raise CheckpointError(
        f"model must be of the paper's structure, got {config.name} with {', '.join(additions)}. "
        "Other layouts cannot hold it; use save_sam."
    )


def _cpu_state(model: Sam) -> dict[str, Tensor]:
    return {key: value.detach().cpu() for key, value in model.state_dict().items()}


def transformers_config(config: SamConfig) -> dict[str, Any]:
    """The fields of transformers' `SamConfig` for that configuration.

    Raises:
        CheckpointError: it is not of the paper's structure.
    """
    encoder = _paper_encoder(config)
    return {
        "architectures": ["SamModel"],
        "model_type": "sam",
        "vision_config": {
            "hidden_size": encoder.width,
            "output_channels": config.embed_dim,
            "num_hidden_layers": encoder.depth,
            "num_attention_heads": encoder.num_heads,
            "image_size": config.image_size,
            "patch_size": encoder.patch_size,
            "mlp_ratio": encoder.mlp_ratio,
            "mlp_dim": int(encoder.width * encoder.mlp_ratio),
            "window_size": encoder.window_size,
            "global_attn_indexes": list(encoder.global_blocks),
            "num_pos_feats": config.embed_dim // 2,
        },
        "prompt_encoder_config": {
            "hidden_size": config.embed_dim,
            "image_size": config.image_size,
            "patch_size": encoder.patch_size,
            "mask_input_channels": config.mask_prompt_channels,
        },
        "mask_decoder_config": {
            "hidden_size": config.embed_dim,
            "mlp_dim": config.decoder_mlp_dim,
            "num_hidden_layers": config.decoder_depth,
            "num_attention_heads": config.decoder_num_heads,
            "attention_downsample_rate": config.decoder_attention_downsample,
            # theirs is 1e-6 by default, but the released weights were trained with 1e-5
            "layer_norm_eps": 1e-5,
            "num_multimask_outputs": config.num_multimask_outputs,
            "iou_head_depth": config.iou_head_depth,
            "iou_head_hidden_dim": config.iou_head_dim,
        },
    }


def _preprocessor_json(config: SamConfig) -> dict[str, Any]:
    side = config.image_size
    return {
        "image_processor_type": "SamImageProcessor",
        "processor_class": "SamProcessor",
        "do_resize": True,
        "size": {"longest_edge": side},
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": [value / 255 for value in config.pixel_mean],
        "image_std": [value / 255 for value in config.pixel_std],
        "do_pad": True,
        "pad_size": {"height": side, "width": side},
        "mask_size": {"longest_edge": config.mask_size},
        "mask_pad_size": {"height": config.mask_size, "width": config.mask_size},
        "do_convert_rgb": True,
    }
