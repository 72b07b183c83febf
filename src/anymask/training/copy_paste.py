"""Copy-paste: objects of other photographs on top of a training view (Ghiasi et al. 2021).

Masks without classes make it safe: whatever is pasted is an object, and what it hides is not seen.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from anymask.core.rle import Rle
from anymask.training.augment import View, cut_image, random_color, random_scale
from anymask.training.config import AugmentConfig

_FEATHER_PX = 1.0  # blur of the seam, so that a hard edge does not give the object away
_MARGIN_PX = 3
_LARGEST_SIDE = 0.6  # of the view: an object leaves something of the picture to be seen


@dataclass(frozen=True, kw_only=True, eq=False)
class Donor:
    """An object of some photograph.

    Attributes:
        image: RGB; it may be smaller than the original size (a cached thumbnail).
        original_size: (H, W), the frame of the mask.
        mask: the object.
        name: what it is, "" where the data do not say.
    """

    image: Image.Image
    original_size: tuple[int, int]
    mask: Rle
    name: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Picture:
    """A training view and its targets.

    Attributes:
        pixels: (S, S, 3) uint8.
        targets: each an index into `names` and an (S, S) bool mask.
        names: of the objects of the image, "" where the data do not say.
    """

    pixels: NDArray[np.uint8]
    targets: list[tuple[int, NDArray[np.bool_]]]
    names: tuple[str, ...]


def paste_objects(
    picture: Picture,
    view_size: tuple[int, int],
    draw_donor: Callable[[np.random.Generator], Donor],
    is_usable: Callable[[NDArray[np.bool_]], bool],
    config: AugmentConfig,
    rng: np.random.Generator,
) -> Picture:
    """The picture with 1 to `max_pasted` objects, or as it was, as `paste_probability` decides.

    Pasted objects are the first targets, and their names come last; of the others stays what can
    still be seen.

    Args:
        picture: with the view at the top left.
        view_size: (height, width) of the view; objects lie wholly inside it.
        draw_donor: an object at random.
        is_usable: whether a mask is fit to be a target.
        config: chances and scales.
        rng: randomness; left alone when `paste_probability` is 0.
    """
    if config.paste_probability == 0 or rng.random() >= config.paste_probability:
        return picture
    pixels, targets, names = picture.pixels, picture.targets, picture.names
    for _ in range(int(rng.integers(1, config.max_pasted + 1))):
        donor = draw_donor(rng)
        cut, alpha = _cut_out(donor, view_size, len(pixels), config, rng)
        pixels, covered = _lay(pixels, cut, alpha, view_size, rng)
        targets = [(len(names), covered), *((i, mask & ~covered) for i, mask in targets)]
        names = (*names, donor.name)
    targets = [(i, mask) for i, mask in targets if is_usable(mask)]
    # An object may hide everything and be too large or too small itself.
    return Picture(pixels=pixels, targets=targets, names=names) if targets else picture


def _cut_out(
    donor: Donor,
    view_size: tuple[int, int],
    image_size: int,
    config: AugmentConfig,
    rng: np.random.Generator,
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """The object at a random scale: (h, w, 3) pixels and (h, w) opacity with a soft edge."""
    H, W = donor.original_size
    x0, y0, x1, y1 = donor.mask.to_box()
    scale = random_scale(config, rng) * image_size / max(H, W)
    fitting = min(view_size[0] / (y1 - y0), view_size[1] / (x1 - x0))
    scale = min(scale, _LARGEST_SIDE * fitting)
    margin = _MARGIN_PX / scale
    x0, y0, x1, y1 = (
        max(0, x0 - margin),
        max(0, y0 - margin),
        min(W, x1 + margin),
        min(H, y1 + margin),
    )
    h = min(view_size[0], max(1, round((y1 - y0) * scale)))
    w = min(view_size[1], max(1, round((x1 - x0) * scale)))
    flip = bool(rng.random() < config.flip_probability)
    view = View(box=(x0, y0, x1, y1), size=(h, w), flip=flip)
    color = random_color(config, rng)
    cut = cut_image(donor.image, donor.original_size, view, image_size, color)[:h, :w]
    shape = Image.fromarray(donor.mask.to_mask().astype(np.uint8) * 255)
    shape = shape.resize((w, h), Image.Resampling.BILINEAR, box=view.box)
    # Zeros all around, so that an object cut off by its photograph's border is feathered there too.
    framed = Image.fromarray(np.pad(np.asarray(shape), _MARGIN_PX))
    blurred = np.asarray(framed.filter(ImageFilter.GaussianBlur(_FEATHER_PX)), np.float32)
    alpha = blurred[_MARGIN_PX:-_MARGIN_PX, _MARGIN_PX:-_MARGIN_PX] / np.float32(255)
    return cut, alpha[:, ::-1] if flip else alpha


def _lay(
    pixels: NDArray[np.uint8],
    cut: NDArray[np.uint8],
    alpha: NDArray[np.float32],
    view_size: tuple[int, int],
    rng: np.random.Generator,
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """The pixels with the object at a random place of the view, and (S, S) what it covers."""
    h, w = alpha.shape
    y = int(rng.integers(max(1, view_size[0] - h + 1)))
    x = int(rng.integers(max(1, view_size[1] - w + 1)))
    result = pixels.copy()
    under = result[y : y + h, x : x + w]
    mixed = under + (cut.astype(np.float32) - under) * alpha[..., None]
    result[y : y + h, x : x + w] = np.rint(mixed).astype(np.uint8)
    covered = np.zeros(pixels.shape[:2], bool)
    covered[y : y + h, x : x + w] = alpha > 0.5
    return result, covered
