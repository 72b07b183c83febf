"""Small pictures for lists, made when they are first asked for and kept by the image's digest."""

import io

from PIL import Image

from anymask.core.image_io import read_image, resize_longest_side
from anymask.engine.store.blobs import Blobs, image_blob

SIDE = 320  # pixels of the longer side: a list shows them at half of it, sharp on dense screens
MEDIA_TYPE = "image/webp"
_QUALITY = 75


def read_thumbnail(blobs: Blobs, digest: str, max_pixels: int) -> bytes:
    """Return an image's small picture as a WebP file.

    Args:
        blobs: where images are and small pictures go.
        digest: of the image's file.
        max_pixels: of images.

    Raises:
        NotFoundError, ImageReadError: the image's file is gone or damaged.
    """
    name = f"thumbnails/{digest[:2]}/{digest}.webp"
    if name in blobs:
        return blobs.read(name)
    data = blobs.read(image_blob(digest))
    pixels = read_image(data, max_pixels=max_pixels, least_side=SIDE)
    if max(pixels.shape) > SIDE:
        pixels = resize_longest_side(pixels, SIDE)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, format="WEBP", quality=_QUALITY)
    blobs.write(name, stream.getvalue())
    return stream.getvalue()
