"""The views that a detector learns from: a photo cut in one of a few ways, and the boxes in it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from anymask.core.geometry import mask_to_box
from anymask.core.rle import Rle
from anymask.training.augment import View, cut_image, cut_mask, full_view, random_color, random_view
from anymask.training.detector_config import DetectorConfig
from anymask.training.examples import Example, ImageCache


@dataclass(frozen=True, kw_only=True, eq=False)
class BoxView:
    """A view of an image.

    Attributes:
        pixels: (3, S, S) uint8.
        boxes: (N, 4) float32 xyxy of its objects, as fractions of S; there may be none.
    """

    pixels: Tensor
    boxes: Tensor


def cut_box_view(
    example: Example,
    cache: ImageCache,
    config: DetectorConfig,
    image_size: int,
    number: int,
    rng: np.random.Generator,
) -> BoxView:
    """Return view `number` of an image: 0 the whole of it, 1 flipped, others at random.

    Args:
        example: the image with its masks.
        cache: with its picture.
        config: of the run.
        image_size: S, the side of the model's square.
        number: from 0.
        rng: of a random view.

    Raises:
        ImageReadError: the image is damaged.
    """
    size = example.original_size
    view = full_view(size, image_size)
    color = None
    if number == 1:
        view = View(box=view.box, size=view.size, flip=True)
    elif number > 1:
        x0, y0, x1, y1 = example.masks[int(rng.integers(len(example.masks)))].to_box().tolist()
        focus = (float(rng.uniform(x0, x1)), float(rng.uniform(y0, y1)))
        view = random_view(size, focus, image_size, config.augment, rng)
        color = random_color(config.augment, rng)
    pixels = cut_image(cache.picture(example), size, view, image_size, color)
    return BoxView(
        pixels=torch.from_numpy(pixels).permute(2, 0, 1),
        boxes=_boxes(example.masks, view, image_size, config),
    )


def _boxes(masks: Sequence[Rle], view: View, image_size: int, config: DetectorConfig) -> Tensor:
    """The boxes of the masks that a view shows well enough."""
    x0, y0, x1, y1 = view.box
    scale = view.size[0] * view.size[1] / ((x1 - x0) * (y1 - y0))
    boxes = []
    for mask in masks:
        visible = cut_mask(mask, view, image_size)
        width, height = np.diff(mask_to_box(visible).reshape(2, 2), axis=0)[0]
        is_shown = np.count_nonzero(visible) >= config.min_visible_fraction * scale * mask.area
        is_small = min(width, height) < config.min_box_px
        is_all = width * height > config.max_box_fraction * image_size**2
        if is_shown and not is_small and not is_all:
            boxes.append(mask_to_box(visible) / image_size)
    return torch.from_numpy(np.array(boxes, dtype=np.float32).reshape(-1, 4))
