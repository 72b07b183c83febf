"""Blur that cannot be undone.

A Gaussian alone is a linear filter whose kernel can be guessed, and a mosaic keeps exact averages
that a list of candidates (all plates, known faces) can be compared with. Here a region's pixels are
replaced by a few averages with noise on them: what is not in those numbers is gone, and no filter
brings it back. The noise is drawn from the region's own pixels, so that the same image gives the
same bytes, while nobody who lacks the original can subtract it.
"""

import hashlib
import io
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from anymask.core.image_io import read_image
from anymask.core.records import Box
from anymask.dataset.privacy.regions import Region

MARGIN_FRACTION = 0.2  # of the box's sides, added on each of them: chins, ears, a loose box
NUM_CELLS = 6  # averages along the longer side; people need about 16 to know a face again
_MIN_CELL_PX = 4.0  # small regions keep fewer averages still
# Standard deviations of the noise on an average, of 255: one of all channels, one of each alone.
_NOISE, _COLOUR_NOISE = 10.0, 4.0
_QUALITY = 95  # of formats that lose something
_FEATHER_FRACTION = 0.08  # of the longer side, outside of the region


def conceal(image: NDArray[np.uint8], regions: Iterable[Region]) -> NDArray[np.uint8]:
    """Return the image (H, W, 3) uint8 RGB with its regions blurred for good; the input stays.

    Each region is widened by `MARGIN_FRACTION`, and nothing in it is left of the original but
    `NUM_CELLS` noisy averages along its longer side. The blur fades out *outside* of it.
    """
    concealed = image.copy()
    for region in regions:
        box = widened(region.box, (image.shape[0], image.shape[1]))
        if box is not None:
            _paint(concealed, image, box)
    return concealed


def conceal_file(data: bytes, regions: Iterable[Region]) -> bytes:
    """Return an image file with its regions concealed, upright, of its own format, pixels only.

    Of an animation the first picture is kept. Also without regions no metadata stay.

    Args:
        data: of a file that Pillow can write.
        regions: in pixels of the upright image.

    Raises:
        ImageReadError: the file is damaged.
    """
    concealed = conceal(read_image(data), regions)
    with Image.open(io.BytesIO(data)) as original:
        kind = original.format
    stream = io.BytesIO()
    Image.fromarray(concealed).save(stream, format=kind, quality=_QUALITY)
    return stream.getvalue()


def widened(box: Box, original_size: tuple[int, int]) -> tuple[int, int, int, int] | None:
    """Return the box with its margin as whole pixels x0, y0, x1, y1; None outside of the image.

    >>> widened((10, 10, 20, 20), (100, 21))
    (8, 8, 21, 22)
    """
    x0, y0, x1, y1 = box
    across, down = (x1 - x0) * MARGIN_FRACTION, (y1 - y0) * MARGIN_FRACTION
    left, top = max(0, int(np.floor(x0 - across))), max(0, int(np.floor(y0 - down)))
    right = min(original_size[1], int(np.ceil(x1 + across)))
    bottom = min(original_size[0], int(np.ceil(y1 + down)))
    return (left, top, right, bottom) if left < right and top < bottom else None


def _paint(
    canvas: NDArray[np.uint8], image: NDArray[np.uint8], box: tuple[int, int, int, int]
) -> None:
    """Lay the region's blur on the canvas, on which other regions may lie already.

    What shows through the fading rim is the canvas, so that no rim brings an original back.
    """
    x0, y0, x1, y1 = box
    height, width = image.shape[:2]
    rim = max(1, round(max(x1 - x0, y1 - y0) * _FEATHER_FRACTION))
    left, top, right, bottom = (
        min(rim, x0),
        min(rim, y0),
        min(rim, width - x1),
        min(rim, height - y1),
    )
    around = ((top, bottom), (left, right))
    veil = np.pad(_averages(image[y0:y1, x0:x1]), (*around, (0, 0)), mode="edge")
    down, across = (
        1 - _steps_outside(size, before, after) / (rim + 1)
        for size, (before, after) in zip((y1 - y0, x1 - x0), around, strict=True)
    )
    opacity = np.minimum(down[:, None], across[None, :])[..., None]
    patch = canvas[y0 - top : y1 + bottom, x0 - left : x1 + right]
    patch[:] = np.rint(opacity * veil + (1 - opacity) * patch).astype(np.uint8)


def _averages(original: NDArray[np.uint8]) -> NDArray[np.float64]:
    """The region (H, W, 3) as its few noisy averages, drawn large and smooth, in 0..255."""
    height, width = original.shape[:2]
    cell_px = max(_MIN_CELL_PX, max(height, width) / NUM_CELLS)
    rows, columns = max(1, round(height / cell_px)), max(1, round(width / cell_px))
    random = np.random.default_rng(list(hashlib.sha256(original.tobytes()).digest()))
    noise = random.normal(0, _NOISE, (rows, columns, 1))
    noise = noise + random.normal(0, _COLOUR_NOISE, (rows, columns, 3))
    drawn = []
    for channel in range(3):
        values = Image.fromarray(original[..., channel].astype(np.float32))
        cells = np.asarray(values.resize((columns, rows), Image.Resampling.BOX))
        noisy = Image.fromarray((cells + noise[..., channel]).astype(np.float32))
        drawn.append(np.asarray(noisy.resize((width, height), Image.Resampling.BICUBIC)))
    averages: NDArray[np.float64] = np.clip(np.stack(drawn, axis=-1), 0, 255).astype(np.float64)
    return averages


def _steps_outside(size: int, before: int, after: int) -> NDArray[np.float64]:
    """How many pixels each of before + size + after places is outside of the size in the middle."""
    places = np.arange(-before, size + after, dtype=np.float64)
    steps: NDArray[np.float64] = np.maximum(0, np.maximum(-places, places - size + 1))
    return steps
