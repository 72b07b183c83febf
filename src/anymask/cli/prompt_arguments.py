"""Clicks, boxes and masks as they are typed on a command line."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from anymask.core.errors import InvalidInputError
from anymask.core.frames import ImageFrame
from anymask.core.image_io import read_image
from anymask.core.prompts import Prompt

if TYPE_CHECKING:
    from anymask.model.config import SamConfig


def parse_prompts(points: Sequence[str], boxes: Sequence[str]) -> list[Prompt]:
    """Return the prompts of "X,Y[,0|1]" points and "X0,Y0,X1,Y1" boxes; there may be none.

    All points belong to one prompt, with the box if there is one; several boxes are several
    prompts.

    Raises:
        InvalidInputError: a value is malformed, or points come with several boxes.
    """
    if points and len(boxes) > 1:
        raise InvalidInputError(
            f"--point must come with at most one --box, got {len(boxes)}. Run once for each object."
        )
    parsed = [_numbers("--point", text, (2, 3), "120,80 or 120,80,0") for text in points]
    for text, point in zip(points, parsed, strict=True):
        if point[2:] not in ([], [0.0], [1.0]):
            raise InvalidInputError(
                f"--point must end in 1 (foreground) or 0 (background), got {text!r}. "
                "Example: --point 120,80,0"
            )
    corners = [_numbers("--box", text, (4,), "40,30,200,180") for text in boxes]
    if not parsed:
        return [Prompt(box=box) for box in corners]
    return [
        Prompt(
            point_coords=[point[:2] for point in parsed],
            point_labels=[int(point[2]) if point[2:] else 1 for point in parsed],
            box=corners[0] if corners else None,
        )
    ]


def _numbers(option: str, text: str, lengths: tuple[int, ...], example: str) -> list[float]:
    try:
        values = [float(part) for part in text.split(",")]
    except ValueError:
        values = []
    if len(values) not in lengths or not np.isfinite(values).all():
        wanted = " or ".join(map(str, lengths))
        raise InvalidInputError(
            f"{option} must be {wanted} numbers between commas, got {text!r}. "
            f"Example: {option} {example.split(' or ')[0]}"
        )
    return values


def with_mask(prompts: Sequence[Prompt], mask_input: NDArray[np.float32]) -> list[Prompt]:
    """Return the prompts with the mask added, or one of the mask alone.

    Raises:
        InvalidInputError: there are several prompts, or the mask is malformed.
    """
    if len(prompts) > 1:
        raise InvalidInputError(
            f"--mask must come with at most one --box, got {len(prompts)}. "
            "Run once for each object."
        )
    return [replace(prompt, mask_input=mask_input) for prompt in prompts] or [
        Prompt(mask_input=mask_input)
    ]


def with_mask_file(
    prompts: Sequence[Prompt],
    path: str | None,
    original_size: tuple[int, int],
    config: "SamConfig",
) -> list[Prompt]:
    """Return the prompts with the mask of a file; as they are where there is none.

    Raises:
        InvalidInputError, ImageReadError: as `read_mask_input`.
    """
    if path is None:
        return list(prompts)
    frame = ImageFrame(original_size=original_size, image_size=config.image_size)
    return with_mask(prompts, read_mask_input(Path(path), frame, config.mask_size))


def with_texts(prompts: Sequence[Prompt], texts: Sequence[str]) -> list[Prompt]:
    """Return every prompt with every text, or the texts alone; the prompts, where there is none."""
    if not texts:
        return list(prompts)
    if not prompts:
        return [Prompt(text=text) for text in texts]
    return [replace(prompt, text=text) for text in texts for prompt in prompts]


def read_mask_input(path: Path, frame: ImageFrame, mask_size: int) -> NDArray[np.float32]:
    """Return the (1, mask_size, mask_size) logits of a .npy file or of a black and white picture.

    Raises:
        InvalidInputError: not logits of this size, or a picture of another size than the image.
        ImageReadError: a picture that cannot be read.
    """
    if path.suffix.lower() != ".npy":
        from anymask.inference.mask_input import mask_to_logits

        return mask_to_logits(read_image(path).max(axis=2) > 127, frame, mask_size)
    try:
        logits = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        reason = getattr(error, "strerror", None) or "not a NumPy array of numbers"
        raise InvalidInputError(
            f"--mask {path} must be logits of an earlier run, got: {reason}. Check the path."
        ) from error
    shape = logits.shape[-2:]
    if shape != (mask_size, mask_size) or logits.size != mask_size**2 or logits.dtype.kind != "f":
        raise InvalidInputError(
            f"--mask {path} must hold one mask of {mask_size} x {mask_size} float logits for this "
            f"model, got {logits.dtype} {logits.shape}. Save one mask of an earlier run with it."
        )
    one: NDArray[np.float32] = logits.reshape(1, mask_size, mask_size).astype(np.float32)
    return one
