"""A picture to look at: masks in colour over the image, with the prompts that asked for them."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from scipy import special

from anymask.core.geometry import mask_to_box
from anymask.core.image_io import resize_longest_side
from anymask.core.palette import PALETTE, Color
from anymask.core.prompts import PointLabel, Prompt
from anymask.core.rle import Rle

FloatArray = NDArray[np.float32]
_FOREGROUND, _BACKGROUND, _WHITE = (40, 190, 80), (230, 50, 50), (255, 255, 255)
_DIMMED = 0.62  # brightness of what no mask covers
_TINT = 0.42  # share of the colour inside a mask


def draw_overlay(
    image: NDArray[np.uint8],
    masks: Iterable[NDArray[np.bool_]],
    prompts: Sequence[Prompt] = (),
) -> NDArray[np.uint8]:
    """Return the image (H, W, 3) uint8 with tinted, outlined masks, its rest a little darker.

    Args:
        image: (H, W, 3) uint8 RGB.
        masks: (H, W) bool each; later ones lie on top. They may be made one at a time.
        prompts: their points become dots, green for foreground and red for background, their
            boxes white lines.
    """
    pixels = image.astype(np.float32)
    canvas = pixels * np.float32(_DIMMED)
    line_px = max(1.5, max(image.shape[:2]) / 400)
    for index, mask in enumerate(masks):
        _paint_mask(canvas, pixels, mask, PALETTE[index % len(PALETTE)], line_px)
    for prompt in prompts:
        _paint_prompt(canvas, prompt, line_px)
    overlay: NDArray[np.uint8] = np.clip(np.rint(canvas), 0, 255).astype(np.uint8)
    return overlay


def draw_rle_overlay(
    image: NDArray[np.uint8], rles: Iterable[Rle], max_side: int = 1600
) -> NDArray[np.uint8]:
    """Return `draw_overlay` of masks as run lengths, at most `max_side` pixels wide and high.

    A larger image is scaled down first, so that time and memory do not grow with it.
    """
    if max(image.shape[:2]) <= max_side:
        return draw_overlay(image, (rle.to_mask() for rle in rles))
    small = resize_longest_side(image, max_side)
    rows, columns = (
        ((np.arange(shown) + 0.5) * (length / shown)).astype(np.int64)
        for shown, length in zip(small.shape[:2], image.shape[:2], strict=True)
    )
    return draw_overlay(small, (rle.sample(rows, columns) for rle in rles))


def _paint_mask(
    canvas: FloatArray, pixels: FloatArray, mask: NDArray[np.bool_], color: Color, line_px: float
) -> None:
    x0, y0, x1, y1 = mask_to_box(mask).astype(int)
    if x0 == x1:
        return
    margin = int(line_px) + 3
    rows = slice(max(0, y0 - margin), y1 + margin)
    columns = slice(max(0, x0 - margin), x1 + margin)
    depth = _signed_distance(mask[rows, columns], line_px / 2)
    part, original = canvas[rows, columns], pixels[rows, columns]
    tinted = original * (1 - _TINT) + np.array(color, dtype=np.float32) * _TINT
    _blend(part, tinted, depth + 0.5)
    bright = np.array(color, dtype=np.float32) * np.float32(0.85) + np.float32(255 * 0.15)
    _blend(part, bright, line_px / 2 + 0.5 - np.abs(depth))


def _signed_distance(inside: NDArray[np.bool_], reach_px: float) -> FloatArray:
    """Return how deep each pixel lies inside (H, W), in pixels, negative outside; 0 on the edge.

    Exact near straight edges and infinite farther away than about twice `reach_px`. Beyond the
    borders the mask goes on, so that no line runs along them.
    """
    # A blurred edge has the normal distribution as its profile; its inverse is the distance, and
    # stairs of slanted edges become lines. Far faster than a distance transform.
    sigma = max(1.0, reach_px)
    blurred = Image.fromarray(inside.astype(np.uint8) * 255).filter(ImageFilter.GaussianBlur(sigma))
    distances = (sigma * special.ndtri(np.arange(256) / 255)).astype(np.float32)
    depth: FloatArray = distances[np.asarray(blurred)]
    return depth


def _blend(part: FloatArray, color: FloatArray, opacity: NDArray[np.floating[Any]]) -> None:
    """Lay `color` over `part` in place where opacity (h, w), clipped to [0, 1], says."""
    alpha = np.clip(opacity, 0, 1)[..., None]
    part += (color - part) * alpha


def _paint_prompt(canvas: FloatArray, prompt: Prompt, line_px: float) -> None:
    if prompt.box is not None:
        _paint_box(canvas, prompt.box, line_px)
    if prompt.point_coords is not None:
        for (x, y), label in zip(prompt.point_coords, prompt.point_labels, strict=True):
            color = _FOREGROUND if label == PointLabel.FOREGROUND else _BACKGROUND
            _paint_dot(canvas, float(x) + 0.5, float(y) + 0.5, color, max(3.5, 2.6 * line_px))


def _paint_dot(canvas: FloatArray, x: float, y: float, color: Color, radius: float) -> None:
    rim = radius * 1.4
    grid_x, grid_y, part = _around(canvas, x - rim, y - rim, x + rim, y + rim)
    distance = np.hypot(grid_x - x, grid_y - y)
    _blend(part, np.array(_WHITE, dtype=np.float32), rim + 0.5 - distance)
    _blend(part, np.array(color, dtype=np.float32), radius + 0.5 - distance)


def _paint_box(canvas: FloatArray, box: FloatArray, line_px: float) -> None:
    x0, y0, x1, y1 = box.tolist()
    grid_x, grid_y, part = _around(canvas, x0 - line_px, y0 - line_px, x1 + line_px, y1 + line_px)
    inside = np.minimum(np.minimum(grid_x - x0, x1 - grid_x), np.minimum(grid_y - y0, y1 - grid_y))
    _blend(part, np.zeros(3, dtype=np.float32), (line_px + 0.5 - np.abs(inside)) * 0.35)
    _blend(part, np.array(_WHITE, dtype=np.float32), line_px / 2 + 0.5 - np.abs(inside))


def _around(
    canvas: FloatArray, x0: float, y0: float, x1: float, y1: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return x (1, w) and y (h, 1) of the pixels' centres in that box, and the canvas there."""
    H, W = canvas.shape[:2]
    left, right = (int(np.clip(side, 0, W)) for side in (x0 - 1, x1 + 2))
    top, bottom = (int(np.clip(side, 0, H)) for side in (y0 - 1, y1 + 2))
    x = np.arange(left, right, dtype=np.float32)[None] + 0.5
    y = np.arange(top, bottom, dtype=np.float32)[:, None] + 0.5
    return x, y, canvas[top:bottom, left:right]
