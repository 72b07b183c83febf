"""Tensors out of a file somebody gave us: recognised by content, and no code in it ever runs."""

import json
import pickle
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from anymask.core.errors import CheckpointError

# What torch.save writes: a zip archive, or before torch 1.6 a bare pickle.
_ZIP, _PICKLE = b"PK\x03\x04", b"\x80"
_WRAPPERS = ("model", "state_dict")


@dataclass(frozen=True, kw_only=True, eq=False)
class CheckpointFile:
    """What a file holds.

    Attributes:
        weights_path: the file with the tensors; in a folder, the file found there.
        tensors: float32 whatever the file's precision.
        metadata: the text fields of a safetensors file.
        json_config: `config.json` beside the weights of a folder, else empty.
    """

    weights_path: Path
    tensors: dict[str, Tensor]
    metadata: dict[str, str] = field(default_factory=dict)
    json_config: dict[str, Any] = field(default_factory=dict)


def weights_file(path: Path) -> Path:
    """The file with the tensors: the path itself or, for a folder, the one that transformers wrote.

    Raises:
        CheckpointError: a folder without one.
    """
    if not path.is_dir():
        return path
    for name in ("model.safetensors", "pytorch_model.bin"):
        if (path / name).is_file():
            return path / name
    raise CheckpointError(
        f"{path} is a folder without model.safetensors. Name the checkpoint file in it."
    )


def read_checkpoint_file(path: Path) -> CheckpointFile:
    """The tensors and metadata of a safetensors file, a torch file, or a folder with one.

    Raises:
        CheckpointError: there is no such file, it is damaged, or it is something else.
    """
    weights_path = weights_file(path)
    if _is_safetensors(weights_path):
        tensors, metadata = _read_safetensors(weights_path)
    else:
        tensors, metadata = _read_torch(weights_path), {}
    return CheckpointFile(
        weights_path=weights_path,
        tensors={key: v.float() if v.is_floating_point() else v for key, v in tensors.items()},
        metadata=metadata,
        json_config=_read_json(path / "config.json") if path.is_dir() else {},
    )


def read_metadata(path: Path) -> dict[str, str]:
    """The text fields of a safetensors file without its tensors; none for a torch file.

    Raises:
        CheckpointError: as `read_checkpoint_file`.
    """
    weights_path = weights_file(path)
    if not _is_safetensors(weights_path):
        return {}
    try:
        with safe_open(weights_path, framework="pt") as file:
            return file.metadata() or {}
    except SafetensorError as error:
        raise CheckpointError(_damaged(weights_path, error)) from None


def _is_safetensors(path: Path) -> bool:
    """Whether safetensors wrote the file, else torch did; CheckpointError if neither."""
    try:
        with path.open("rb") as stream:
            start = stream.read(64)
    except FileNotFoundError:
        raise CheckpointError(f"{path} does not exist. Check the path.") from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise CheckpointError(f"{path} could not be read: {reason}. Check the file.") from error
    # Its length as eight bytes, of which the first can be any, a pickle's too; then its header.
    if start[4:9] == b"\0\0\0\0{":
        return True
    if start.startswith((_ZIP, _PICKLE)):
        return False
    raise CheckpointError(_what_instead(path, start))


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework="pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except SafetensorError as error:
        raise CheckpointError(_damaged(path, error)) from None


def _read_torch(path: Path) -> dict[str, Tensor]:
    try:
        with warnings.catch_warnings():
            # It warns of unusual pickles, which either load or fail below.
            warnings.simplefilter("ignore", UserWarning)
            value = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise CheckpointError(
            f"{path} holds more than tensors and could run code, or is damaged; it was not opened. "
            "Save its state_dict alone."
        ) from None
    except Exception as error:  # a damaged file can break the reader anywhere
        raise CheckpointError(_damaged(path, error)) from None
    for wrapper in _WRAPPERS:
        if isinstance(value, dict) and isinstance(value.get(wrapper), dict):
            value = value[wrapper]
    if not isinstance(value, dict) or not value:
        raise CheckpointError(
            f"{path} must hold a state_dict, got {type(value).__name__}. Save one."
        )
    return {str(key): v for key, v in value.items() if isinstance(v, Tensor)}


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise CheckpointError(f"{path} is not JSON: {error}. Download it again.") from None
    return value if isinstance(value, dict) else {}


def _damaged(path: Path, error: Exception) -> str:
    reason = (str(error).strip().splitlines() or ["no data"])[0][:120]
    return f"{path} is damaged or cut short ({reason}). Download or copy it again."


def _what_instead(path: Path, start: bytes) -> str:
    if not start:
        return f"{path} is empty. Download or copy it again."
    if start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        return f"{path} is a web page, not a checkpoint. Download the file that the page links to."
    if start.startswith(b"version https://git-lfs"):
        return f"{path} is a Git LFS pointer, not a checkpoint. Run `git lfs pull`."
    return f"{path} is not a checkpoint: neither safetensors nor torch wrote it. Check the path."
