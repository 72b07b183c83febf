"""What a person makes of a photo: which objects come first, and where their outlines run."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from anymask.evaluation.protocol import BoolArray

_CENTRE_SPREAD = 0.5  # of half the diagonal: objects at the border are noticed later
_TASTE = 0.3  # how much two people's orders differ, in units of log size
_WAVES = 5  # bends of a hand-drawn outline along a side of the object


def prominence_order(
    image: NDArray[np.uint8], objects: Sequence[BoolArray], rng: np.random.Generator
) -> list[int]:
    """Return the indices of `objects` (H, W) in order of prominence to one person.

    Large, central objects and those that differ in colour from their surroundings come first; the
    logarithm of the side, the (squared) distance from the centre, the difference in colour and
    personal taste are added up.
    """
    scores = [_prominence(image, mask) + float(rng.normal(0, _TASTE)) for mask in objects]
    return sorted(range(len(objects)), key=lambda i: -scores[i])


def as_seen(target: BoolArray, agreement: float, rng: np.random.Generator) -> BoolArray:
    """Return the object `target` (H, W) as one person sees it: its outline bent a little.

    The expected IoU with `target` is about `agreement`. Objects of a few pixels stay as they are,
    as bends below half a pixel do.
    """
    rows, columns = np.flatnonzero(target.any(axis=1)), np.flatnonzero(target.any(axis=0))
    if not rows.size:
        return target
    # Bends of a standard deviation b miss about .8 b pixels for each pixel of the outline.
    bend = (1 - agreement) * np.count_nonzero(target) / (0.8 * np.count_nonzero(outline(target)))
    margin = int(np.ceil(3 * bend))
    y0, y1 = max(0, rows[0] - margin), min(target.shape[0], rows[-1] + 1 + margin)
    x0, x1 = max(0, columns[0] - margin), min(target.shape[1], columns[-1] + 1 + margin)
    shift_y, shift_x = (_smooth_noise((y1 - y0, x1 - x0), rng) * bend for _ in range(2))
    grid_y, grid_x = np.mgrid[y0:y1, x0:x1]
    from_y = np.clip(np.rint(grid_y + shift_y), 0, target.shape[0] - 1).astype(np.intp)
    from_x = np.clip(np.rint(grid_x + shift_x), 0, target.shape[1] - 1).astype(np.intp)
    seen = np.zeros_like(target)
    seen[y0:y1, x0:x1] = target[from_y, from_x]
    return seen if seen.any() else target


def outline(mask: BoolArray) -> BoolArray:
    """Return the pixels of `mask` (H, W) with a neighbour outside it; the border is outside."""
    inner = np.zeros_like(mask)
    inner[1:-1, 1:-1] = (
        mask[1:-1, 1:-1] & mask[:-2, 1:-1] & mask[2:, 1:-1] & mask[1:-1, :-2] & mask[1:-1, 2:]
    )
    return mask & ~inner


def _prominence(image: NDArray[np.uint8], mask: BoolArray) -> float:
    height, width = mask.shape
    ys, xs = np.nonzero(mask)
    from_centre = np.hypot(ys.mean() - height / 2, xs.mean() - width / 2) / np.hypot(
        height / 2, width / 2
    )
    half_side = 0.5 * np.log(len(ys) / mask.size)
    return float(
        half_side - from_centre**2 / (2 * _CENTRE_SPREAD**2) + _contrast(image, mask, ys, xs)
    )


def _contrast(
    image: NDArray[np.uint8], mask: BoolArray, ys: NDArray[np.intp], xs: NDArray[np.intp]
) -> float:
    """Distance of the mean colours inside and around, 1 for black on white."""
    margin = 4 + (ys.max() - ys.min() + xs.max() - xs.min()) // 8
    window = np.s_[
        max(0, ys.min() - margin) : ys.max() + margin, max(0, xs.min() - margin) : xs.max() + margin
    ]
    inside = mask[window]
    if inside.all():
        return 0.0
    colors = image[window]
    apart = colors[inside].mean(axis=0) - colors[~inside].mean(axis=0)
    return float(np.sqrt(np.mean(apart**2)) / 255)


def _smooth_noise(size: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float32]:
    """A smooth field of about unit variance."""
    coarse = Image.fromarray(rng.normal(size=(_WAVES, _WAVES)).astype(np.float32))
    field = np.asarray(coarse.resize((size[1], size[0]), Image.Resampling.BICUBIC))
    return (field / max(float(field.std()), 1e-6)).astype(np.float32)
