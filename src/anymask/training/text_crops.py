"""What CLIP sees of a target in training (App. D.5): an enlarged square around its mask."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from anymask.core.rle import Rle
from anymask.training.config import TextConfig

# CLIP's pixel mean: padding and hidden background are zero once normalised.
_FILL = (123, 117, 104)


@dataclass(frozen=True, kw_only=True, eq=False)
class TextCrop:
    """`image` (C, C, 3) uint8 RGB and `mask` (C, C) bool, the pixels that the target touches."""

    image: NDArray[np.uint8]
    mask: NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class TextCrops:
    """The K crops of a batch.

    Attributes:
        images: (K, 3, C, C) uint8 RGB.
        masks: (K, C, C) bool.
        target_index: (K,) int64, the target that each crop shows.
    """

    images: Tensor
    masks: Tensor
    target_index: Tensor


def collate_crops(crops: Sequence[TextCrop | None]) -> TextCrops | None:
    """The crops of P targets, None for a target without one, as tensors; None for no crops."""
    kept = [(i, crop) for i, crop in enumerate(crops) if crop is not None]
    if not kept:
        return None
    images = torch.from_numpy(np.stack([crop.image for _, crop in kept]))
    return TextCrops(
        images=images.permute(0, 3, 1, 2),
        masks=torch.from_numpy(np.stack([crop.mask for _, crop in kept])),
        target_index=torch.tensor([i for i, _ in kept]),
    )


def draw_text_crops(
    image: Image.Image,
    original_size: tuple[int, int],
    masks: Sequence[Rle | None],
    config: TextConfig,
    rng: np.random.Generator,
) -> list[TextCrop | None]:
    """A crop for each mask, None without one; none unless `config` asks. `rng` stays as it is.

    Arguments as `draw_text_crop` has them.
    """
    if config.source != "clip_crops":
        return [None] * len(masks)
    # A child, so that the views that this generator draws are the same with crops and without.
    child = rng.spawn(1)[0]
    return [
        None if mask is None else draw_text_crop(image, original_size, mask, config, child)
        for mask in masks
    ]


def draw_text_crop(
    image: Image.Image,
    original_size: tuple[int, int],
    mask: Rle,
    config: TextConfig,
    rng: np.random.Generator,
) -> TextCrop | None:
    """A random crop of C = `config.crop_size` pixels a side, or None for too small a target.

    It is cut from the photograph rather than from the augmented training view: a target that the
    view shows small still has all its pixels here.

    Args:
        image: RGB; it may be smaller than the original size (a cached thumbnail).
        original_size: (H, W), the frame of the mask.
        mask: the target.
        config: sizes and chances.
        rng: randomness.
    """
    if mask.area < max(1, config.min_area):
        return None
    C = config.crop_size
    factor = float(rng.uniform(1.0, config.max_expansion))
    hide = bool(rng.random() < config.hide_background_probability)
    x0, y0, side = _square(mask.to_box().tolist(), factor, original_size)
    H, W = original_size
    seen = (max(0.0, x0), max(0.0, y0), min(float(W), x0 + side), min(float(H), y0 + side))
    to_crop = C / side
    left, right = _place(seen[0] - x0, seen[2] - x0, to_crop, C)
    top, bottom = _place(seen[1] - y0, seen[3] - y0, to_crop, C)

    crop_mask = np.zeros((C, C), bool)
    column, row = int(seen[0]), int(seen[1])
    window = mask.to_mask()[row : math.ceil(seen[3]), column : math.ceil(seen[2])]
    source = Image.fromarray(np.ascontiguousarray(window).astype(np.uint8) * 255)
    size = (right - left, bottom - top)
    in_window = (seen[0] - column, seen[1] - row, seen[2] - column, seen[3] - row)
    share = source.resize(size, Image.Resampling.BOX, box=in_window)
    crop_mask[top:bottom, left:right] = np.asarray(share) > 0
    crop = np.full((C, C, 3), _FILL, np.uint8)
    sx, sy = image.width / W, image.height / H
    box = (seen[0] * sx, seen[1] * sy, seen[2] * sx, seen[3] * sy)
    pixels = np.asarray(image.resize(size, Image.Resampling.BICUBIC, box=box))
    crop[top:bottom, left:right] = pixels
    if hide:
        crop[~crop_mask] = _FILL
    return TextCrop(image=crop, mask=crop_mask)


def _square(
    box: Sequence[float], factor: float, original_size: tuple[int, int]
) -> tuple[float, float, float]:
    """(x0, y0, side) of the box made square and enlarged, inside the image where it fits."""
    x0, y0, x1, y1 = box
    side = factor * max(x1 - x0, y1 - y0)
    H, W = original_size
    return _start((x0 + x1) / 2, side, W), _start((y0 + y1) / 2, side, H), side


def _start(centre: float, side: float, length: int) -> float:
    if side >= length:  # padded on both sides alike
        return (length - side) / 2
    return float(np.clip(centre - side / 2, 0, length - side))


def _place(start: float, end: float, scale: float, size: int) -> tuple[int, int]:
    """The whole pixels of the crop that the seen stretch fills, at least one."""
    low = min(size - 1, max(0, round(start * scale)))
    return low, max(low + 1, min(size, round(end * scale)))
