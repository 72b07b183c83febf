"""An image as it is released: its shortest side limited, as a JPEG of pixels only, with its masks.

SA paper, Sec. 5: photographs are released with a shortest side of 1500 pixels, far below the size
at which they were annotated. Image and masks are scaled here, from the originals, and nowhere else.
"""

import dataclasses
import io
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from anymask.core.errors import InvalidInputError
from anymask.core.image_io import to_rgb_array
from anymask.core.mask_scaling import scale_mask_down
from anymask.core.records import MaskRecord, exact_box

SHORTEST_SIDE = 1500  # SA paper, Sec. 5
_JPEG_QUALITY = 95  # some 1 MB an image of this size, as in SA-1B


@dataclass(frozen=True, kw_only=True, eq=False)
class ReleasedImage:
    """An image ready for a shard.

    Attributes:
        image_id: unique over the set.
        jpeg: the image file.
        original_size: (H, W) of the JPEG.
        masks: of that size; their ids, boxes and areas are given when they are written.
    """

    image_id: int
    jpeg: bytes
    original_size: tuple[int, int]
    masks: tuple[MaskRecord, ...]


def release_size(
    original_size: tuple[int, int], shortest_side: int = SHORTEST_SIDE
) -> tuple[int, int]:
    """Return the (H, W) at which an image (H, W) is released; never larger than it is.

    Raises:
        InvalidInputError: a side is below one pixel.

    >>> release_size((3300, 4950)), release_size((480, 640))
    ((1500, 2250), (480, 640))
    """
    shortest = min(original_size)
    if shortest < 1 or shortest_side < 1:
        raise InvalidInputError(
            f"original_size and shortest_side must be at least 1, got {original_size} and "
            f"{shortest_side}. Pass pixels."
        )
    if shortest <= shortest_side:
        return original_size
    height, width = (
        (side * shortest_side * 2 + shortest) // (shortest * 2) for side in original_size
    )
    return height, width


def encode_release(image: NDArray[np.uint8]) -> bytes:
    """Return an image (H, W, 3) uint8 RGB as the bytes of a JPEG without any metadata.

    The bytes depend on the pixels and on Pillow's version only.

    Raises:
        InvalidInputError: another shape or dtype, or a side beyond JPEG's 65,500 pixels.
    """
    rgb = to_rgb_array(image)
    stream = io.BytesIO()
    try:
        Image.fromarray(rgb).save(stream, format="JPEG", quality=_JPEG_QUALITY)
    except OSError as error:
        raise InvalidInputError(
            f"image must fit into a JPEG (65,500 pixels a side), got {rgb.shape[:2]}: {error}. "
            "Set a shortest side, or leave the image out."
        ) from error
    return stream.getvalue()


def release_image(
    image_id: int,
    image: NDArray[np.uint8],
    masks: Iterable[MaskRecord],
    shortest_side: int = SHORTEST_SIDE,
) -> ReleasedImage:
    """Return an image with its masks as they are released, all scaled once from the original.

    Masks that vanish on the way, and those that are empty, are left out.

    Args:
        image_id: unique over the set.
        image: (H, W, 3) uint8 RGB, as it was annotated; faces and plates concealed.
        masks: in pixels of that image.
        shortest_side: of the released image, in pixels, where it is not shorter already.

    Raises:
        InvalidInputError: a mask has another size than the image, or no such JPEG can be.
    """
    original_size = (image.shape[0], image.shape[1])
    size = release_size(original_size, shortest_side)
    if size != original_size:
        scaled = Image.fromarray(to_rgb_array(image)).resize(size[::-1], Image.Resampling.LANCZOS)
        image = np.array(scaled)
    kept = [_scaled(mask, original_size, size) for mask in masks]
    return ReleasedImage(
        image_id=image_id,
        jpeg=encode_release(image),
        original_size=size,
        masks=tuple(mask for mask in kept if mask.area),
    )


def _scaled(mask: MaskRecord, original_size: tuple[int, int], size: tuple[int, int]) -> MaskRecord:
    if mask.segmentation.size != original_size:
        raise InvalidInputError(
            f"masks must have their image's size (H, W) {original_size}, got "
            f"{mask.segmentation.size}. Encode them at the size of the image."
        )
    segmentation = scale_mask_down(mask.segmentation, size)
    vertical, horizontal = size[0] / original_size[0], size[1] / original_size[1]
    x, y, width, height = mask.crop_box
    return dataclasses.replace(
        mask,
        bbox=exact_box(segmentation),
        area=segmentation.area,
        segmentation=segmentation,
        point_coords=tuple((px * horizontal, py * vertical) for px, py in mask.point_coords),
        crop_box=(x * horizontal, y * vertical, width * horizontal, height * vertical),
    )
