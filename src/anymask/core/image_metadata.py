"""Image files without what is not their picture: where and when it was taken, by whom, comments."""

from collections.abc import Iterator

from anymask.core.errors import ImageReadError
from anymask.core.image_io import is_turned

_PNG = b"\x89PNG\r\n\x1a\n"
# Chunks without which a picture would look different; the others are texts, times and EXIF.
_PNG_KEPT = (b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"cICP", b"sBIT", b"bKGD", b"pHYs")
_ICC = b"ICC_PROFILE\0"
_END, _SCAN = 0xD9, 0xDA
_JFIF, _APP2, _ADOBE, _COMMENT = 0xE0, 0xE2, 0xEE, 0xFE
# What may stand after 0xFF in a scan without ending it: a byte of data, restarts, fillers.
_IN_SCAN = (0x00, *range(0xD0, 0xD8), 0xFF)
_WEBP_FLAGS = 0x04 | 0x08  # of its first chunk: XMP and EXIF follow


def without_metadata(data: bytes) -> bytes | None:
    """Return a JPEG, PNG or WebP file without metadata, its compressed pixels as they are.

    Colour profiles stay. Whatever follows the picture in the file goes too.

    Returns:
        The file's bytes; None for other formats and for a picture that only its metadata turn
        upright, which has to be encoded anew.

    Raises:
        ImageReadError: the file is no image, or damaged.
    """
    if is_turned(data):
        return None
    if data.startswith(b"\xff\xd8"):
        return b"".join(_jpeg_parts(data))
    if data.startswith(_PNG):
        return b"".join(_png_parts(data))
    if data[8:12] == b"WEBP":
        body = b"WEBP" + b"".join(_webp_parts(data))
        return b"RIFF" + len(body).to_bytes(4, "little") + body
    return None


def _jpeg_parts(data: bytes) -> Iterator[bytes]:
    """The segments of a JPEG that make its picture, with the scans between them."""
    yield data[:2]
    at = _marker_from(data, 2)
    while (marker := data[at + 1]) != _END:
        end = _within(data, at + 2 + int.from_bytes(data[at + 2 : at + 4], "big"))
        is_profile = marker == _APP2 and data[at + 4 : end].startswith(_ICC)
        is_other = _JFIF < marker <= 0xEF or marker == _COMMENT
        if is_profile or marker == _ADOBE or not is_other:
            yield data[at:end]
        at = _marker_from(data, end)
        if marker == _SCAN:
            yield data[end:at]
    yield data[at : at + 2]


def _marker_from(data: bytes, at: int) -> int:
    """Where the next marker stands, behind a scan's data if there are any."""
    while True:
        at = data.find(b"\xff", at)
        if at < 0 or at + 1 >= len(data):
            raise _cut_off()
        if data[at + 1] not in _IN_SCAN:
            return at
        at += 1


def _png_parts(data: bytes) -> Iterator[bytes]:
    yield _PNG
    at, name = len(_PNG), b""
    while name != b"IEND":
        end = _within(data, at + 12 + int.from_bytes(data[at : at + 4], "big"))
        name = data[at + 4 : at + 8]
        is_critical = name[:1].isupper()
        if is_critical or name in _PNG_KEPT:
            yield data[at:end]
        at = end


def _webp_parts(data: bytes) -> Iterator[bytes]:
    at, last = 12, _within(data, 8 + int.from_bytes(data[4:8], "little"))
    while at < last:
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        end = _within(data, at + 8 + size + size % 2)
        if name == b"VP8X":
            yield data[at : at + 8] + bytes([data[at + 8] & ~_WEBP_FLAGS]) + data[at + 9 : end]
        elif name not in (b"EXIF", b"XMP "):
            yield data[at:end]
        at = end


def _within(data: bytes, end: int) -> int:
    """The end of a part, which the file must have."""
    if end > len(data):
        raise _cut_off()
    return end


def _cut_off() -> ImageReadError:
    return ImageReadError("image must be a whole file, got a part of one. Copy it again.")
