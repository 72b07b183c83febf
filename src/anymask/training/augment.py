"""Cut a random view out of a photograph and its masks: scale, crop, flip, colour."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from anymask.core.close_up import region_around
from anymask.core.rle import Rle
from anymask.training.config import AugmentConfig

# Close to the pixel mean, so that the border is near zero once normalised, as at prediction.
_BORDER_VALUE = 116


@dataclass(frozen=True, kw_only=True)
class View:
    """A window of the original image, `box` (x0, y0, x1, y1), drawn at `size` (height, width)."""

    box: tuple[float, float, float, float]
    size: tuple[int, int]
    flip: bool


def full_view(original_size: tuple[int, int], image_size: int) -> View:
    """The whole image, its longest side filling the input, as the predictor sees it."""
    H, W = original_size
    scale = image_size / max(H, W)
    size = (max(1, int(H * scale + 0.5)), max(1, int(W * scale + 0.5)))
    return View(box=(0.0, 0.0, float(W), float(H)), size=size, flip=False)


def random_view(
    original_size: tuple[int, int],
    focus_xy: tuple[float, float],
    image_size: int,
    config: AugmentConfig,
    rng: np.random.Generator,
) -> View:
    """A random view that contains the point `focus_xy` of the original image.

    Large-scale jitter, as in the paper's training on stages 1 and 2, but that the view always
    shows a part of a chosen mask.
    """
    H, W = original_size
    flip = bool(rng.random() < config.flip_probability)
    relative = 1.0
    if rng.random() >= config.full_view_probability:
        relative = random_scale(config, rng)
    scale = relative * image_size / max(H, W)
    width, height = min(W, image_size / scale), min(H, image_size / scale)
    x0 = _window_start(focus_xy[0], width, W, rng)
    y0 = _window_start(focus_xy[1], height, H, rng)
    size = tuple(min(image_size, max(1, int(side * scale + 0.5))) for side in (height, width))
    return View(box=(x0, y0, x0 + width, y0 + height), size=(size[0], size[1]), flip=flip)


def close_up_view(
    original_size: tuple[int, int],
    box: tuple[float, float, float, float],
    image_size: int,
    config: AugmentConfig,
    rng: np.random.Generator,
) -> View:
    """The surroundings of a mask's `box`, filling the input: what a close-up shows the model.

    An annotator's box and an earlier mask are only about right, so the middle is, too.
    """
    x0, y0, x1, y1 = box
    shift_x, shift_y = rng.uniform(-0.25, 0.25, 2) * (x1 - x0, y1 - y0)
    moved = (x0 + shift_x, y0 + shift_y, x1 + shift_x, y1 + shift_y)
    margin = rng.uniform(config.min_close_up_margin, config.max_close_up_margin)
    left, top, right, bottom = region_around(moved, margin, original_size)
    size = full_view((bottom - top, right - left), image_size).size
    flip = bool(rng.random() < config.flip_probability)
    return View(box=(float(left), float(top), float(right), float(bottom)), size=size, flip=flip)


def random_scale(config: AugmentConfig, rng: np.random.Generator) -> float:
    """A scale within the configuration's bounds; at 1 the longest side fills the input."""
    if config.scale_distribution == "uniform":
        return float(rng.uniform(config.min_scale, config.max_scale))
    return float(np.exp(rng.uniform(np.log(config.min_scale), np.log(config.max_scale))))


def _window_start(focus: float, length: float, total: int, rng: np.random.Generator) -> float:
    low, high = max(0.0, focus - length), min(focus, total - length)
    return float(rng.uniform(low, high)) if high > low else max(0.0, min(low, total - length))


def cut_image(
    image: Image.Image,
    original_size: tuple[int, int],
    view: View,
    image_size: int,
    color: tuple[float, ...] | None = None,
) -> NDArray[np.uint8]:
    """(S, S, 3) uint8: the view, placed top left, the rest near the pixel mean.

    `image` may be smaller than the original size (a cached thumbnail); `color` is a matrix of
    `random_color`, applied to the view alone.
    """
    factor = (image.width / original_size[1], image.height / original_size[0])
    box = tuple(value * factor[i % 2] for i, value in enumerate(view.box))
    h, w = view.size
    cut = image.resize((w, h), Image.Resampling.BILINEAR, box=(box[0], box[1], box[2], box[3]))
    if color is not None:
        cut = cut.convert("RGB", color)  # a 3x4 matrix, in C
    canvas = np.full((image_size, image_size, 3), _BORDER_VALUE, np.uint8)
    pixels = np.asarray(cut)
    canvas[:h, :w] = pixels[:, ::-1] if view.flip else pixels
    return canvas


def cut_mask(rle: Rle, view: View, image_size: int) -> NDArray[np.bool_]:
    """(S, S) bool: the mask in the same view, each pixel that of the nearest original one."""
    h, w = view.size
    H, W = rle.size
    x0, y0, x1, y1 = view.box
    columns, rows = _nearest(x0, x1, w, W), _nearest(y0, y1, h, H)
    canvas = np.zeros((image_size, image_size), bool)
    canvas[:h, :w] = rle.sample(rows, columns[::-1] if view.flip else columns)
    return canvas


def _nearest(start: float, end: float, count: int, length: int) -> NDArray[np.int64]:
    """The original pixel in the middle of each of `count` equal parts, by Pillow's arithmetic.

    Bit for bit: the box in single precision, the steps summed one by one.
    """
    low, high = np.float32(start), np.float32(end)
    step = float(high - low) / count
    middles = np.cumsum(np.concatenate([[float(low) + step * 0.5], np.full(count - 1, step)]))
    return np.clip(middles.astype(np.int64), 0, length - 1)


def random_color(config: AugmentConfig, rng: np.random.Generator) -> tuple[float, ...]:
    """A 3x4 matrix, row by row, of random brightness, contrast, saturation and tint."""
    strength = config.color_jitter
    brightness, contrast, saturation = rng.uniform(1 - strength, 1 + strength, 3)
    if rng.random() < config.grey_probability:
        saturation = 0.0
    tint = rng.uniform(1 - strength / 4, 1 + strength / 4, 3)
    luma = np.array([0.299, 0.587, 0.114])
    mix = saturation * np.eye(3) + (1 - saturation) * np.ones((3, 1)) * luma
    gain = contrast * brightness * tint[:, None] * mix
    shift = np.full((3, 1), _BORDER_VALUE * (1 - contrast) * brightness)
    return tuple(float(value) for value in np.hstack([gain, shift]).ravel())
