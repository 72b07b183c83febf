"""Models to and from files: build, save, and load our checkpoints and other people's.

Our format is one safetensors file that also carries its configuration, so that a file alone says
what it is.
"""

import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Literal

import safetensors.torch
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from anymask.core.errors import CheckpointError
from anymask.core.files import write_bytes
from anymask.model.checkpoint_files import CheckpointFile, read_checkpoint_file
from anymask.model.checkpoint_layouts import (
    State,
    from_official,
    from_transformers,
    infer_config,
    layout_of,
    resize_positions,
)
from anymask.model.config import SamConfig
from anymask.model.downloads import sha256_of
from anymask.model.locations import locate
from anymask.model.sam import Sam

FORMAT_VERSION = "1"
_CONFIG, _VERSION = "anymask_config", "anymask_format"
# In the metadata of a file that holds only a LoRA adapter: what it is, and of which model.
ADAPTER_FIELD, ADAPTER_BASE_FIELD = "anymask_adapter", "anymask_adapter_base"
MAE_FIELD = "anymask_mae"  # in the metadata of a file that holds a masked auto-encoder
_DTYPES = {"float32": torch.float32, "float16": torch.float16}


def build_sam(config: SamConfig, seed: int | None = None) -> Sam:
    """A model with fresh weights; the same weights for the same seed, whatever ran before."""
    if seed is None:
        return Sam(config)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Sam(config)


def save_sam(
    model: Sam,
    path: str | os.PathLike[str],
    *,
    dtype: Literal["float32", "float16"] = "float32",
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write the model's weights and configuration as one safetensors file, whole or not at all.

    Args:
        model: on any device.
        path: ends in .safetensors by custom; nothing depends on it.
        dtype: float16 halves the file; it loads as float32 again.
        metadata: more text fields for the file (a licence, training data, scores).

    Raises:
        OutputError: the file cannot be written.
    """
    fields = {
        **(metadata or {}),
        _CONFIG: json.dumps(model.config.to_json()),
        _VERSION: FORMAT_VERSION,
    }
    tensors = {
        key: value.detach().to("cpu", _DTYPES[dtype]).contiguous()
        for key, value in model.state_dict().items()
    }
    write_bytes(path, pack_safetensors(tensors, fields))


def pack_safetensors(tensors: Mapping[str, Tensor], fields: Mapping[str, str]) -> bytes:
    """The bytes of a safetensors file; its header is sorted, as the library orders it at random.

    So the same model makes the same file, and the same id.
    """
    data = safetensors.torch.save(dict(tensors), dict(fields))
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # tensors start at a multiple of eight
    return len(text).to_bytes(8, "little") + text + data[start:]


def load_sam(
    name_or_path: str | os.PathLike[str] | None = None,
    *,
    image_size: int | None = None,
    decoder_num_heads: int = 8,
) -> tuple[Sam, str]:
    """A model in evaluation mode on the CPU, and its id.

    The id is "<config.name>-<first 12 hex digits of the file's SHA-256>": stable for a file.

    Args:
        name_or_path: None or "small" for the weights that come with the package; "vit_b", "vit_l"
            or "vit_h" for a downloaded official file; else one of our files, an official .pth, or
            the file or folder of a transformers `SamModel`.
        image_size: another side of the model's square input; position tables are resized.
        decoder_num_heads: of a model that is not ours, as it shows in none of its shapes.

    Raises:
        CheckpointError: the file is missing, damaged, or not a model that this version knows.
    """
    path = locate(name_or_path)
    file = read_checkpoint_file(path)
    try:
        config, state = _understand(file, decoder_num_heads)
        if image_size is not None:
            config = replace(config, image_size=image_size)
            state = resize_positions(state, config)
        model = _from_state(config, state)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from None
    return model, f"{config.name}-{sha256_of(file.weights_path)[:12]}"


def _understand(file: CheckpointFile, decoder_num_heads: int) -> tuple[SamConfig, State]:
    if _CONFIG in file.metadata:
        version = file.metadata.get(_VERSION)
        if version != FORMAT_VERSION:
            raise CheckpointError(
                f"format version must be {FORMAT_VERSION}, got {version}. Update anymask."
            )
        return SamConfig.from_json(_parse(file.metadata[_CONFIG])), file.tensors
    if ADAPTER_FIELD in file.metadata:
        raise CheckpointError(
            f"the file holds an adapter of {file.metadata.get(ADAPTER_BASE_FIELD)}, not a whole "
            "model. Merge it first: anymask models merge BASE ADAPTER -o OUT"
        )
    if MAE_FIELD in file.metadata:
        raise CheckpointError(
            "the file holds a masked auto-encoder, which segments nothing. "
            "Train a model from it: anymask train PRESET DATA --init FILE"
        )
    layout = layout_of(file.tensors)
    if layout is None:
        raise CheckpointError(
            "the file holds tensors but no SAM that this version knows "
            f"(first key: {next(iter(file.tensors), 'none')}). Use a SAM checkpoint."
        )
    if layout == "official":
        state = from_official(file.tensors)
    else:
        state = from_transformers(file.tensors)
        decoder = file.json_config.get("mask_decoder_config")
        if isinstance(decoder, dict):
            decoder_num_heads = decoder.get("num_attention_heads", decoder_num_heads)
    return infer_config(state, decoder_num_heads=decoder_num_heads), state


def _parse(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise CheckpointError("the configuration in the file is not a JSON object. Save it again.")
    return value


def _from_state(config: SamConfig, state: Mapping[str, Tensor]) -> Sam:
    try:
        model = hollow_sam(config)
    except (ValueError, TypeError, RuntimeError, ZeroDivisionError) as error:
        raise CheckpointError(
            f"the configuration makes no model: {error} Check image_size and decoder_num_heads."
        ) from None
    _check_state(state, model.state_dict())
    return filled_sam(model, state)


def hollow_sam(config: SamConfig) -> Sam:
    """A model without weights, on the meta device: nothing is allocated; for `filled_sam`."""
    with torch.device("meta"), _NoFirstWeights():
        return Sam(config)


def filled_sam(model: Sam, state: Mapping[str, Tensor]) -> Sam:
    """The hollow model, in evaluation mode, with these very tensors as its weights."""
    model.load_state_dict(state, assign=True)
    model.pixel_mean = torch.tensor(model.config.pixel_mean).reshape(3, 1, 1)
    model.pixel_std = torch.tensor(model.config.pixel_std).reshape(3, 1, 1)
    return model.eval()


class _NoFirstWeights(TorchFunctionMode):
    """Builds modules without drawing weights that are replaced at once.

    Drawing takes seconds for a large model; and on the meta device PyTorch falls back to code that
    first imports its compiler, which takes a second for any model.
    """

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__module__", "") == "torch.nn.init":  # accessors of tensors have none
            return args[0] if args else kwargs["tensor"]
        if func is torch.randn:
            return torch.empty(*args, **kwargs)
        return func(*args, **kwargs)


def _check_state(state: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    for what, keys in (
        ("lacks", [key for key in expected if key not in state]),
        ("has unknown keys", [key for key in state if key not in expected]),
    ):
        if keys:
            raise CheckpointError(
                f"the checkpoint {what} {', '.join(keys[:3])} ({len(keys)} in all). "
                "Use a whole checkpoint of this model."
            )
    for key, value in expected.items():
        if state[key].shape != value.shape:
            raise CheckpointError(
                f"{key} must have shape {tuple(value.shape)}, got {tuple(state[key].shape)}. "
                "Use a checkpoint of this model."
            )
