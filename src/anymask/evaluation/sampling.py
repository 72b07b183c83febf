"""Choose which images and masks of a set are evaluated, the same ones for the same seed."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from anymask.core.errors import InvalidInputError
from anymask.core.image_io import read_image
from anymask.dataset.labelled import LabelledImage


@dataclass(frozen=True, kw_only=True)
class SampleLimits:
    """How much of a set is evaluated at most; None is all.

    Raises:
        InvalidInputError: a limit is below 1.
    """

    max_images: int | None = None
    max_masks_per_image: int | None = None
    max_masks: int | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None and value < 1:
                raise InvalidInputError(
                    f"{field.name} must be at least 1, got {value}. Leave it out to use all."
                )


def select_masks(
    images: Sequence[LabelledImage], limits: SampleLimits, *, seed: int = 0
) -> tuple[LabelledImage, ...]:
    """Return the images to evaluate, in the given order, each with the masks to evaluate.

    Images without masks are left out. Images are drawn first, then masks within each; `max_masks`
    takes whole images in random order until it is reached, and a part of the last.
    """
    labelled = [image for image in images if image.masks]
    order = np.random.default_rng(seed).permutation(len(labelled))[: limits.max_images]
    chosen: dict[int, LabelledImage] = {}
    remaining = limits.max_masks
    for i in order.tolist():
        image = labelled[i]
        per_image = [n for n in (limits.max_masks_per_image, remaining) if n is not None]
        num_masks = min([len(image.masks), *per_image])
        if num_masks == 0:
            break
        # Seeded by the image, so that its masks do not depend on which others were drawn.
        rng = np.random.default_rng([seed, abs(image.image_id)])
        kept = sorted(rng.permutation(len(image.masks))[:num_masks].tolist())
        chosen[i] = replace(image, masks=tuple(image.masks[k] for k in kept))
        remaining = None if remaining is None else remaining - num_masks
    return tuple(chosen[i] for i in sorted(chosen))


def read_labelled_image(image: LabelledImage) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Return the opened photograph, (H, W, 3) uint8 RGB.

    Raises:
        ImageReadError: it cannot be read.
        InvalidInputError: its size is not the one that its masks have.
    """
    pixels = read_image(image.path)
    if pixels.shape[:2] != image.original_size:
        raise InvalidInputError(
            f"{image.path} must have the size (H, W) {image.original_size} of its annotations, "
            f"got {pixels.shape[:2]}. Resize one of them."
        )
    return pixels
