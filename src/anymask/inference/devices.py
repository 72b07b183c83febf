"""The choice of the device that a model runs on."""

import torch

from anymask.core.errors import InvalidInputError


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
