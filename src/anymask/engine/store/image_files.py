"""What may come in as an image, and what is kept of its file."""

import hashlib

from anymask.core.errors import ImageReadError, InvalidInputError
from anymask.core.image_io import read_image
from anymask.engine.store.projects import ImageFile

# What browsers show; by the first bytes, whatever the name or the sender says. SVG and HTML, which
# could act in a page's name, are not among them.
_SIGNATURES = (
    (b"\xff\xd8\xff", 0, "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", 0, "image/png"),
    (b"WEBP", 8, "image/webp"),
    (b"GIF8", 0, "image/gif"),
    (b"BM", 0, "image/bmp"),
)
_MAX_NAME = 255


def check_image(data: bytes, name: str, max_pixels: int) -> ImageFile:
    """Return what is kept of an uploaded image, which was decoded in full to be sure of it.

    Raises:
        ImageReadError: another kind of file, damaged, or too many pixels.
        InvalidInputError: the name is empty, too long, or has characters that cannot be seen.
    """
    tidy = tidy_file_name(name)
    media_type = _sniff(data)
    if media_type is None:
        raise ImageReadError(
            f"{tidy} must be a JPEG, PNG, WebP, GIF or BMP image, got another file. Convert it."
        )
    height, width = read_image(data, max_pixels=max_pixels).shape[:2]
    return ImageFile(
        digest=hashlib.sha256(data).hexdigest(),
        name=tidy,
        media_type=media_type,
        width=width,
        height=height,
    )


def tidy_file_name(name: str) -> str:
    """Return the last part of a name, by any system's separators: a name, not a path.

    Raises:
        InvalidInputError: it is empty, too long, only dots, or has characters that cannot be seen.
    """
    tidy = name.replace("\\", "/").rsplit("/", 1)[-1].strip()
    # Whether it is printable first: half characters have no bytes.
    if not tidy.isprintable() or not tidy.strip(".") or len(tidy.encode()) > _MAX_NAME:
        raise InvalidInputError(
            f"name must have 1 to {_MAX_NAME} visible characters, got {name[:80]!r}. Rename it."
        )
    return tidy


def _sniff(data: bytes) -> str | None:
    return next(
        (kind for sign, start, kind in _SIGNATURES if data[start : start + len(sign)] == sign), None
    )
