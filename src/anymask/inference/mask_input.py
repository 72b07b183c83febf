"""A drawn mask as the low-resolution logits that a model takes as `mask_input`."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from anymask.core.errors import InvalidInputError
from anymask.core.frames import ImageFrame

# Sure, but within the range that models give themselves and so were trained on.
SURE_LOGIT = 10.0


def mask_to_logits(
    mask: NDArray[np.bool_], frame: ImageFrame, mask_size: int
) -> NDArray[np.float32]:
    """Return a mask (H, W) bool of the original image as logits (1, mask_size, mask_size).

    A cell that the mask covers in part lies between -SURE_LOGIT and SURE_LOGIT.

    Raises:
        InvalidInputError: the mask has another size than the image.
    """
    if mask.shape != frame.original_size:
        (height, width), (H, W) = mask.shape, frame.original_size
        raise InvalidInputError(
            f"mask must have the image's size {W} x {H}, got {width} x {height} "
            "(width x height). Export it at full size."
        )
    height, width = frame.input_size
    scaled = Image.fromarray(mask.astype(np.uint8) * 255).resize(
        (width, height), Image.Resampling.BILINEAR
    )
    square = Image.new("L", (frame.image_size, frame.image_size))
    square.paste(scaled)
    cells = square.resize((mask_size, mask_size), Image.Resampling.BOX)
    covered = np.asarray(cells) / 255
    return ((2 * covered - 1) * SURE_LOGIT).astype(np.float32)[None]
