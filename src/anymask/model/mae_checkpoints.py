"""Masked auto-encoders to and from files, and their encoder as the first weights of a SAM.

Two kinds of file start a SAM: ours, and the published MAE checkpoints (`mae_pretrain_vit_base.pth`
and its like), recognised by their keys.
"""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from anymask.core.errors import CheckpointError, InvalidInputError
from anymask.core.files import write_bytes
from anymask.model.checkpoint_files import CheckpointFile, read_checkpoint_file, read_metadata
from anymask.model.checkpoint_layouts import State, resize_positions
from anymask.model.checkpoints import MAE_FIELD, build_sam, pack_safetensors
from anymask.model.config import SamConfig, VitConfig, with_tuples
from anymask.model.mae import Mae, MaeConfig
from anymask.model.sam import Sam

_ENCODER = "image_encoder."
# A masked auto-encoder needs these for itself; a segmentation model has no place for them.
_LEFT_BEHIND = re.compile(
    r"decoder_.*|mask_token|cls_token|norm\.(weight|bias)|head\..*|fc_norm\..*"
)
# What a SAM's encoder has and no masked auto-encoder: the neck starts at random, positions at zero.
_NEW = re.compile(r"image_encoder\.(neck\..*|blocks\.\d+\.attn\.rel_pos_[hw])")


@dataclass(frozen=True, kw_only=True, eq=False)
class MaeEncoder:
    """An encoder that masked pre-training made.

    Attributes:
        state: float32, by the names of `ImageEncoderViT`: pos_embed (1, h, w, C), patch_embed.*,
            blocks.*.
        source: where it came from, for messages.
        num_heads: of its attention; None for published files, whose shapes do not show it.
    """

    state: State
    source: str
    num_heads: int | None = None


def save_mae(
    mae: Mae, path: str | os.PathLike[str], *, metadata: Mapping[str, str] | None = None
) -> None:
    """Write the whole auto-encoder and its configuration as one safetensors file.

    Raises:
        OutputError: the file cannot be written.
    """
    tensors = {
        key: value.detach().to("cpu", torch.float32).contiguous()
        for key, value in mae.state_dict().items()
    }
    fields = {**(metadata or {}), MAE_FIELD: json.dumps(mae.config.to_json())}
    write_bytes(path, pack_safetensors(tensors, fields))


def load_mae(path: str | os.PathLike[str]) -> Mae:
    """The auto-encoder that `save_mae` wrote, in evaluation mode on the CPU.

    Raises:
        CheckpointError: the file is missing, damaged, or holds something else.
    """
    file = read_checkpoint_file(Path(path))
    if MAE_FIELD not in file.metadata:
        raise CheckpointError(
            f"{path} must be a masked auto-encoder of ours, got another file. "
            "Make one with anymask pretrain."
        )
    mae = Mae(_config_from_json(path, file.metadata[MAE_FIELD]))
    try:
        mae.load_state_dict(file.tensors)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise CheckpointError(f"{path} does not fit its configuration: {reason}") from None
    return mae.eval()


def holds_mae(path: str | os.PathLike[str]) -> bool:
    """Whether a file holds a masked auto-encoder, ours or a published one.

    Raises:
        CheckpointError: the file is missing, damaged, or no checkpoint at all.
    """
    if MAE_FIELD in read_metadata(Path(path)):
        return True
    return _is_published(read_checkpoint_file(Path(path)).tensors)


def read_mae_encoder(path: str | os.PathLike[str]) -> MaeEncoder:
    """The encoder of a masked auto-encoder's file: ours, or one in the published layout.

    Raises:
        CheckpointError: the file is missing, damaged, or holds something else.
    """
    file = read_checkpoint_file(Path(path))
    state, num_heads = file.tensors, None
    if MAE_FIELD in file.metadata:
        num_heads = _config_from_json(path, file.metadata[MAE_FIELD]).image_encoder.num_heads
    else:
        state = _from_published(path, file)
    kept = {key: value for key, value in state.items() if not _LEFT_BEHIND.fullmatch(key)}
    return MaeEncoder(state=kept, source=str(path), num_heads=num_heads)


def sam_from_mae(encoder: MaeEncoder, config: SamConfig, seed: int | None = None) -> Sam:
    """A SAM whose image encoder starts from a masked auto-encoder's (Sec. 3, App. A).

    Absolute positions are resized to the model's grid (bicubic), and so are the patches' kernels
    when their side differs; relative positions start at zero, everything else at random.

    Args:
        encoder: from `read_mae_encoder`.
        config: of a model with a ViT of the same width and depth; windows and global blocks are
            free, as they have no weights but the relative positions.
        seed: of the random rest.

    Raises:
        CheckpointError: the encoder does not fit the configuration.
    """
    vit = config.image_encoder
    if not isinstance(vit, VitConfig):
        raise CheckpointError(
            f"{encoder.source} is the encoder of a ViT, and {config.name} has another kind. "
            "Choose a model with a ViT, such as vit_b or vit_tiny."
        )
    state = {_ENCODER + key: value for key, value in encoder.state.items()}
    kernel = _ENCODER + "patch_embed.proj.weight"
    if kernel in state and state[kernel].shape[-1] != vit.patch_size:
        state[kernel] = resize_patch_kernels(state[kernel], vit.patch_size)
    state = resize_positions(state, config)
    model = build_sam(config, seed=seed)
    _check_fit(encoder, config, state, model)
    model.load_state_dict(state, strict=False)
    return model


def resize_patch_kernels(kernels: Tensor, patch_size: int) -> Tensor:
    """(C, 3, p, p) kernels that answer to a resized patch as the given ones do to the patch.

    The pseudo-inverse of bilinear resizing (Beyer et al., "FlexiViT", 2023): exact where patches
    grow (published ViT-H encoders have 14 pixels, this one 16), least squares where they shrink.
    """
    old = kernels.shape[-1]
    basis = torch.eye(old, dtype=torch.float64).unsqueeze(0)
    resize = F.interpolate(basis, size=patch_size, mode="linear")[0].T  # patch_size old
    inverse = torch.linalg.pinv(resize.T)  # patch_size old
    resized: Tensor = inverse @ kernels.double() @ inverse.T
    return resized.to(kernels.dtype)


def _is_published(state: Mapping[str, Tensor]) -> bool:
    return "cls_token" in state and "blocks.0.mlp.fc1.weight" in state


def _from_published(path: str | os.PathLike[str], file: CheckpointFile) -> State:
    """Our encoder's names for a published checkpoint: "fc1" is "lin1", positions become a grid."""
    if not _is_published(file.tensors):
        raise CheckpointError(
            f"{path} must hold a masked auto-encoder, ours or a published one, got other tensors "
            f"(first key: {next(iter(file.tensors), 'none')}). Check the file."
        )
    state = {
        key.replace(".mlp.fc1.", ".mlp.lin1.").replace(".mlp.fc2.", ".mlp.lin2."): value
        for key, value in file.tensors.items()
    }
    positions = state.get("pos_embed")
    if positions is None or positions.ndim != 3:
        raise CheckpointError(f"{path} lacks pos_embed (1, L, C). Download or copy it again.")
    _, length, width = positions.shape
    side = round((length - 1) ** 0.5)  # the first is the class token's
    if side**2 != length - 1:
        raise CheckpointError(
            f"{path} must have positions of a square grid and a class token, got {length}."
        )
    return {**state, "pos_embed": positions[:, 1:].reshape(1, side, side, width)}


def _check_fit(
    encoder: MaeEncoder, config: SamConfig, state: Mapping[str, Tensor], model: Sam
) -> None:
    """Every weight has a place, and every place that should be filled has a weight."""
    expected = model.state_dict()
    wanted = [key for key in expected if key.startswith(_ENCODER) and not _NEW.fullmatch(key)]
    for what, keys in (
        ("needs", [key for key in wanted if key not in state]),
        ("has no place for", [key for key in state if key not in wanted]),
    ):
        if keys:
            names = ", ".join(key.removeprefix(_ENCODER) for key in keys[:3])
            raise CheckpointError(
                f"{config.name} {what} {names} ({len(keys)} in all) of {encoder.source}. "
                "Use the encoder of a ViT of the same width and depth."
            )
    for key, value in state.items():
        if value.shape != expected[key].shape:
            raise CheckpointError(
                f"{key.removeprefix(_ENCODER)} must have shape {tuple(expected[key].shape)} for "
                f"{config.name}, got {tuple(value.shape)} in {encoder.source}. "
                "Use the encoder of a ViT of the same width and depth."
            )
    num_heads = config.image_encoder.num_heads
    if encoder.num_heads not in (None, num_heads):
        raise CheckpointError(
            f"{config.name} has {num_heads} attention heads, and {encoder.source} was trained "
            f"with {encoder.num_heads}. Use the encoder of the same ViT."
        )


def _config_from_json(path: str | os.PathLike[str], text: str) -> MaeConfig:
    try:
        value: dict[str, Any] = json.loads(text)
        vit = VitConfig(**with_tuples(value.pop("image_encoder")))
        return MaeConfig(image_encoder=vit, **with_tuples(value))
    except (AttributeError, KeyError, TypeError, ValueError, InvalidInputError) as error:
        raise CheckpointError(
            f"{path}: the configuration does not fit this version: {error}"
        ) from None
