"""The choice of the device that a model runs on, and of the numbers that it computes with."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import nn

from anymask.core.errors import InvalidInputError
from anymask.model.precision import stored_dtypes

EncoderDtype = Literal["auto", "float32", "bfloat16", "float16"]
DTYPES: tuple[EncoderDtype, ...] = ("auto", "float32", "bfloat16", "float16")
# Of processors that multiply bfloat16 matrices in hardware, in PyTorch's words: x86 and ARM.
_BFLOAT16_INSTRUCTIONS = ("amx_bf16", "avx512_bf16", "bf16")
_AMPERE = 8  # the first generation of NVIDIA GPUs with bfloat16


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Where a model runs.

    Attributes:
        device: of the whole model.
        dtype: of the image encoder, where the time goes.
        reason: for people, why these.
        decoder_dtype: of the decoder's work on image cells; its tokens are float32.
    """

    device: torch.device
    dtype: torch.dtype
    reason: str
    decoder_dtype: torch.dtype = torch.float32

    @property
    def dtype_name(self) -> str:
        """The dtype as one writes it: float32, bfloat16 or float16."""
        return str(self.dtype).removeprefix("torch.")

    def describe(self) -> str:
        """One line: device, dtype and reason."""
        return f"{self.device} in {self.dtype_name} ({self.reason})"


def select_placement(device: str | torch.device, dtype: EncoderDtype) -> Placement:
    """Return where a model runs fastest with the same masks, as far as it is left open.

    Args:
        device: as `select_device` takes it.
        dtype: auto is bfloat16 where the hardware multiplies it, float16 on older NVIDIA GPUs, and
            float32 elsewhere.

    Raises:
        InvalidInputError: no such device or dtype, or the device is not there.
    """
    if dtype not in DTYPES:
        raise InvalidInputError(
            f"dtype must be {', '.join(DTYPES[:-1])} or {DTYPES[-1]}, got {dtype!r}. Choose one."
        )
    chosen = select_device(device)
    why_device = f"{chosen.type} was found" if device == "auto" else f"{device} was asked for"
    if dtype != "auto":
        found, why_dtype = getattr(torch, dtype), f"{dtype} was asked for"
    else:
        found, why_dtype = _fastest_dtype(chosen)
    is_short = chosen.type == "cpu" and found == torch.bfloat16
    return Placement(
        device=chosen,
        dtype=found,
        reason=f"{why_device}; {why_dtype}",
        decoder_dtype=found if is_short else torch.float32,
    )


def select_device(name: str | torch.device) -> torch.device:
    """Return the device of that name; auto is the first of cuda, mps and cpu that is there.

    Raises:
        InvalidInputError: no such device, or it is not there.
    """
    is_there = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if name == "auto":
        return torch.device(next(kind for kind, there in is_there.items() if there))
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError) as error:
        raise InvalidInputError(
            f"device must be auto, cpu, cuda or mps, got {name!r}. Choose one of them."
        ) from error
    in_range = device.type != "cuda" or (device.index or 0) < torch.cuda.device_count()
    if not is_there.get(device.type, False) or not in_range:
        known = ", ".join(kind for kind, there in is_there.items() if there)
        raise InvalidInputError(f"device must be one of {known} here, got {device}. Use auto.")
    return device


def check_weights(encoder: nn.Module, dtype: torch.dtype) -> None:
    """Raise InvalidInputError where an encoder's weights are too short to compute in float32."""
    shorter = stored_dtypes(encoder) - {torch.float32}
    if dtype == torch.float32 and shorter:
        names = ", ".join(sorted(str(kept).removeprefix("torch.") for kept in shorter))
        raise InvalidInputError(
            f"the encoder's weights must be float32 to compute in float32, got {names}. "
            "Load the model with dtype float32."
        )


def _fastest_dtype(device: torch.device) -> tuple[torch.dtype, str]:
    """The dtype, and why."""
    if device.type == "cuda":
        if torch.cuda.get_device_capability(device)[0] >= _AMPERE:
            return torch.bfloat16, "this GPU multiplies bfloat16"
        return torch.float16, "this GPU multiplies float16, not bfloat16"
    if device.type == "cpu" and _cpu_multiplies_bfloat16():
        return torch.bfloat16, "this CPU multiplies bfloat16"
    return torch.float32, f"no shorter type is known to be faster on this {device.type}"


def _cpu_multiplies_bfloat16() -> bool:
    """Whether there are instructions for it; without them PyTorch emulates it, slowly."""
    # Earlier versions of PyTorch do not tell.
    capabilities: Mapping[str, object] = getattr(torch.cpu, "get_capabilities", dict)()
    has_instructions = any(capabilities.get(name) for name in _BFLOAT16_INSTRUCTIONS)
    return has_instructions and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
