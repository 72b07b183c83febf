"""Labels on an overlay: a word and a number beside each mask, in the mask's colour."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from anymask.core.geometry import mask_to_box
from anymask.core.palette import PALETTE


def draw_labels(
    overlay: NDArray[np.uint8], masks: Sequence[NDArray[np.bool_]], labels: Sequence[str]
) -> NDArray[np.uint8]:
    """Return the overlay (H, W, 3) uint8 with a label at the top of each mask (H, W) bool.

    The k-th label has the colour that `draw_overlay` gives the k-th mask. A label stays inside the
    image and moves down where another one is.
    """
    picture = Image.fromarray(overlay)
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(size=max(11, min(overlay.shape[:2]) // 32))
    taken: list[tuple[float, float, float, float]] = []
    for k, (mask, label) in enumerate(zip(masks, labels, strict=True)):
        x0, y0, _, _ = mask_to_box(mask).tolist()
        place = _place(draw.textbbox((0, 0), label, font=font), (x0, y0), picture.size, taken)
        taken.append(place)
        color = PALETTE[k % len(PALETTE)]
        draw.rectangle(place, fill=color)
        draw.text((place[0] + 3, place[1] + 2), label, font=font, fill=_readable_on(color))
    return np.array(picture)


def _place(
    text_box: tuple[float, float, float, float],
    corner: tuple[float, float],
    size: tuple[int, int],
    taken: Sequence[tuple[float, float, float, float]],
) -> tuple[float, float, float, float]:
    """The box of a label, xyxy: at the corner, or below what is taken there, inside the image."""
    width, height = text_box[2] + 6, text_box[3] + 5
    x = max(0.0, min(corner[0], size[0] - width))
    y = max(0.0, min(corner[1] - height, size[1] - height))
    for other in sorted(taken, key=lambda box: box[1]):
        if x < other[2] and other[0] < x + width and y < other[3] and other[1] < y + height:
            y = other[3] + 1
    y = max(0.0, min(y, size[1] - height))
    return (x, y, x + width, y + height)


def _readable_on(color: tuple[int, int, int]) -> tuple[int, int, int]:
    red, green, blue = color
    is_light = 0.299 * red + 0.587 * green + 0.114 * blue > 140
    return (0, 0, 0) if is_light else (255, 255, 255)
