"""Adapter files: what a LoRA fine-tune learned, without the model it belongs to.

One safetensors file with the adapters' tensors, their configuration, and the id of the model they
were trained on; on any other model they would be noise, so it is refused.
"""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from anymask.core.errors import CheckpointError
from anymask.core.files import write_bytes
from anymask.model.checkpoint_files import read_checkpoint_file
from anymask.model.checkpoints import ADAPTER_BASE_FIELD, ADAPTER_FIELD, pack_safetensors
from anymask.model.lora import LoraConfig, add_lora, load_lora_state, lora_state
from anymask.model.sam import Sam

FORMAT_VERSION = "1"
_VERSION = "anymask_adapter_format"


@dataclass(frozen=True, kw_only=True, eq=False)
class Adapter:
    """What an adapter file holds; `base_id` is the id of the model it was trained on."""

    config: LoraConfig
    base_id: str
    tensors: Mapping[str, Tensor]


def save_adapter(
    model: Sam,
    path: str | os.PathLike[str],
    *,
    config: LoraConfig,
    base_id: str,
) -> None:
    """Write the adapters of an adapted model as one small safetensors file.

    Args:
        model: adapted by `add_lora(model, config)`.
        path: ends in .safetensors by custom.
        config: of the adapters.
        base_id: the id that `load_sam` gave for the model before it was adapted.

    Raises:
        OutputError: the file cannot be written.
    """
    fields = {
        ADAPTER_FIELD: json.dumps(config.to_json()),
        ADAPTER_BASE_FIELD: base_id,
        _VERSION: FORMAT_VERSION,
    }
    write_bytes(path, pack_safetensors(lora_state(model), fields))


def load_adapter(path: str | os.PathLike[str]) -> Adapter:
    """The content of an adapter file.

    Raises:
        CheckpointError: the file is missing, damaged, no adapter, or of a later format.
    """
    file = read_checkpoint_file(Path(path))
    metadata = file.metadata
    if ADAPTER_FIELD not in metadata or ADAPTER_BASE_FIELD not in metadata:
        raise CheckpointError(
            f"{path} must be an adapter as `anymask finetune` saves it, got another file. "
            "Use adapter.safetensors of a LoRA run."
        )
    if metadata.get(_VERSION) != FORMAT_VERSION:
        raise CheckpointError(
            f"{path}: adapter format must be {FORMAT_VERSION}, got {metadata.get(_VERSION)}. "
            "Update anymask."
        )
    try:
        config = LoraConfig.from_json(json.loads(metadata[ADAPTER_FIELD]))
    except (ValueError, TypeError) as error:  # ours too: a CheckpointError is a ValueError
        raise CheckpointError(f"{path}: {error}") from None
    return Adapter(config=config, base_id=metadata[ADAPTER_BASE_FIELD], tensors=file.tensors)


def apply_adapter(model: Sam, model_id: str, adapter: Adapter) -> None:
    """Adapts the model in place; `merge_lora` then makes it a plain model again.

    Raises:
        CheckpointError: the adapter was trained on another model; the text names both.
    """
    if model_id != adapter.base_id:
        raise CheckpointError(
            f"the adapter must be used on the model it was trained on, {adapter.base_id}, "
            f"got {model_id}. Use that model's weights, or fine-tune this one."
        )
    add_lora(model, adapter.config)
    load_lora_state(model, adapter.tensors)
