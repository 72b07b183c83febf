"""Where a detector looks: the image at several scales, the finer ones in overlapping tiles.

Detectors know faces of some range of sizes in pixels. The small faces of a large photograph are
found in tiles at its own scale, and the large ones in the image made small.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from anymask.core.errors import InvalidInputError


@dataclass(frozen=True, kw_only=True)
class ViewConfig:
    """Which views are made.

    Attributes:
        tile_px: side of a tile; no view is larger.
        overlap_fraction: of a tile, shared with its neighbour; larger than a face that only a
            tile can show.
        max_enlargement: small images are enlarged up to so much, until they fill a tile.
        scale_step: between two scales; the coarsest has the whole image in one tile.

    Raises:
        InvalidInputError: a number is out of range.
    """

    tile_px: int = 960
    overlap_fraction: float = 0.2
    max_enlargement: float = 2.0
    scale_step: float = 3.0

    def __post_init__(self) -> None:
        if not (0 <= self.overlap_fraction < 1 and self.max_enlargement >= 1 < self.scale_step):
            raise InvalidInputError(
                "views must have 0 <= overlap_fraction < 1, max_enlargement >= 1 and scale_step "
                f"> 1, got {self}. Choose other numbers."
            )


@dataclass(frozen=True, kw_only=True, eq=False)
class View:
    """A part of the image as the detector gets it.

    Attributes:
        pixels: (h, w, 3) uint8 RGB.
        offset: (x, y) of its corner in the image, in the image's pixels.
        scale: the view's pixels in each of the image's.
    """

    pixels: NDArray[np.uint8]
    offset: tuple[float, float]
    scale: float

    def to_image(self, boxes: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return boxes (N, 4) xyxy of the view in the image's pixels."""
        in_image: NDArray[np.float64] = boxes / self.scale + np.array(self.offset * 2)
        return in_image


def iter_views(image: NDArray[np.uint8], config: ViewConfig) -> Iterator[View]:
    """Yield the views of an image (H, W, 3) uint8 RGB, coarsest first, one scaled copy at once."""
    height, width = image.shape[:2]
    for scale in view_scales((height, width), config):
        size = max(1, round(width * scale)), max(1, round(height * scale))
        same = size == (width, height)
        scaled = image if same else np.asarray(_resized(image, size))
        exact = (size[0] / width + size[1] / height) / 2
        columns = tile_starts(size[0], config)
        for top, left in product(tile_starts(size[1], config), columns):
            yield View(
                pixels=scaled[top : top + config.tile_px, left : left + config.tile_px],
                offset=(left / exact, top / exact),
                scale=exact,
            )


def view_scales(original_size: tuple[int, int], config: ViewConfig) -> tuple[float, ...]:
    """Return the scales for an image of (H, W), rising: one tile first, then up to its own size.

    >>> view_scales((480, 640), ViewConfig())
    (1.5,)
    >>> [round(scale, 2) for scale in view_scales((2880, 3840), ViewConfig())]
    [0.25, 1.0]
    """
    whole = min(config.tile_px / max(original_size), config.max_enlargement)
    if whole >= 1:
        return (whole,)
    steps = max(1, round(np.log(1 / whole) / np.log(config.scale_step)))
    return tuple(float(whole ** (1 - i / steps)) for i in range(steps + 1))


def tile_starts(length: int, config: ViewConfig) -> tuple[int, ...]:
    """Return where tiles begin along a side of `length` pixels, evenly, the last at its end.

    >>> tile_starts(2000, ViewConfig())
    (0, 520, 1040)
    """
    free = length - config.tile_px
    if free <= 0:
        return (0,)
    step = max(1, round(config.tile_px * (1 - config.overlap_fraction)))
    count = -(-free // step) + 1
    starts = tuple(round(free * i / (count - 1)) for i in range(count))
    assert all(b - a <= config.tile_px for a, b in pairwise(starts))
    return starts


def _resized(image: NDArray[np.uint8], size: tuple[int, int]) -> Image.Image:
    return Image.fromarray(image).resize(size, Image.Resampling.BILINEAR)
