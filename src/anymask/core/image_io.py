"""The one safe way in for images: any common file becomes upright 8-bit RGB, or a clear error."""

import io
import math
import os
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from anymask.core.errors import ImageReadError, InvalidInputError
from anymask.core.files import atomic_write
from anymask.core.frames import ImageFrame

MAX_PIXELS = 200_000_000

_EXIF_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_PILLOW_LOCK = threading.Lock()


def read_image(
    source: str | os.PathLike[str] | bytes | BinaryIO,
    *,
    max_pixels: int = MAX_PIXELS,
    least_side: int | None = None,
) -> NDArray[np.uint8]:
    """Return an image file as (H, W, 3) uint8 RGB, contiguous, turned upright by its EXIF tag.

    Transparent pixels are laid on white. 16-bit greys are scaled by 1/257; 32-bit and float greys
    keep the ranges 0..1 and 0..255 and are stretched from their own range otherwise. Of an
    animation or a multi-page file the first picture is taken.

    Args:
        source: a path, the file's bytes, or a binary file object.
        max_pixels: larger images are refused before they are decoded.
        least_side: a JPEG may come at 1/2, 1/4 or 1/8 of its size, which is decoded faster, as long
            as its longest side has so many pixels; None for its own size.

    Raises:
        ImageReadError: missing, empty, not an image, cut off, damaged, or too large.
    """
    name = _name_of(source)
    with _opened(source, name) as stream:
        image = _open_image(stream, name, max_pixels)
        with _telling_damage(
            f"{name} must be a whole image file, got a damaged or cut off one",
            "Copy or export it again.",
        ):
            if least_side is not None and image.format == "JPEG":
                scale = least_side / max(image.size)
                wanted = (math.ceil(image.width * scale), math.ceil(image.height * scale))
                image.draft(None, wanted)
            _load(image, name, max_pixels)
            return to_rgb_array(image)


def read_image_size(source: str | os.PathLike[str] | bytes | BinaryIO) -> tuple[int, int]:
    """Return the (H, W) that `read_image` would give, from the file's header; no pixel is decoded.

    Raises:
        ImageReadError: missing, empty, not an image, or too large.
    """
    name = _name_of(source)
    with _opened(source, name) as stream:
        image = _open_image(stream, name, MAX_PIXELS)
        width, height = image.size
        return (width, height) if _orientation(image) >= 5 else (height, width)


def is_turned(source: str | os.PathLike[str] | bytes | BinaryIO) -> bool:
    """Return whether only the EXIF tag of an image file turns its pixels upright.

    Raises:
        ImageReadError: missing, empty, not an image, or too large.
    """
    name = _name_of(source)
    with _opened(source, name) as stream:
        return _orientation(_open_image(stream, name, MAX_PIXELS)) in _TURNS


def read_labels(
    source: str | os.PathLike[str] | bytes | BinaryIO, *, max_pixels: int = MAX_PIXELS
) -> tuple[NDArray[np.integer[Any]], bool]:
    """Return the whole numbers (H, W) of an image whose pixels are labels, and if it has a palette.

    Greys and palettes give their own numbers, not colours; of RGB a number is R + 256 G + 65536 B.
    Opacity is left out.

    Raises:
        ImageReadError: missing, empty, not an image, cut off, damaged, or too large.
    """
    name = _name_of(source)
    with _opened(source, name) as stream:
        image = _open_image(stream, name, max_pixels)
        with _telling_damage(
            f"{name} must be a whole image of labels, got a damaged or other file",
            "Write it again.",
        ):
            _load(image, name, max_pixels)
            alike = {"LA": "L", "PA": "P"}.get(image.mode)
            labels = image.convert(alike) if alike else image
            is_grey = labels.mode in ("1", "L", "P", "I") or labels.mode.startswith("I;16")
            values = np.array(labels if is_grey else labels.convert("RGB"))
    if values.ndim == 3:
        values = values @ np.array([1, 256, 65536])
    return values.view(np.uint8) if values.dtype == np.bool_ else values, labels.mode == "P"


def to_rgb_array(image: NDArray[Any] | Image.Image) -> NDArray[np.uint8]:
    """Return an image in memory as contiguous (H, W, 3) uint8 RGB.

    A Pillow image is turned upright and converted as `read_image` does; an array must already be
    RGB bytes, as guessing the meaning of others would hide mistakes.

    Raises:
        InvalidInputError: another type, shape or dtype, or no pixels.
    """
    if isinstance(image, Image.Image):
        if not min(image.size):
            raise InvalidInputError(
                f"image must have pixels, got size {image.size}. Check how it was cropped."
            )
        turn = _TURNS.get(_orientation(image))
        rgb = _to_rgb(image)
        return np.array(rgb if turn is None else rgb.transpose(turn))
    if not isinstance(image, np.ndarray):
        raise InvalidInputError(
            f"image must be a numpy array or a Pillow image, got {type(image).__name__}. "
            "Read files with read_image."
        )
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise InvalidInputError(
            f"image must be (H, W, 3) uint8 RGB, got {image.dtype} {image.shape}. "
            "Convert it first, or pass a Pillow image."
        )
    if not image.size:
        raise InvalidInputError(
            f"image must have pixels, got shape {image.shape}. Check how it was cropped."
        )
    return np.ascontiguousarray(image)


def resize_longest_side(image: NDArray[np.uint8], image_size: int) -> NDArray[np.uint8]:
    """Return the image (H, W, 3) uint8 scaled so that its longest side is `image_size` pixels.

    Bilinear with antialiasing; the sides are those of `ImageFrame.input_size`.
    """
    rgb = to_rgb_array(image)
    frame = ImageFrame(original_size=(rgb.shape[0], rgb.shape[1]), image_size=image_size)
    height, width = frame.input_size
    if (height, width) == frame.original_size:
        return rgb
    resized = Image.fromarray(rgb).resize((width, height), Image.Resampling.BILINEAR)
    return np.array(resized)


def write_png(path: str | os.PathLike[str], array: NDArray[np.uint8] | NDArray[np.bool_]) -> None:
    """Write (H, W, 3) or (H, W) uint8, or a mask (H, W) bool as 0 and 255, whole or not at all.

    Raises:
        InvalidInputError: another shape or dtype, or no pixels.
        OutputError: the file cannot be written.
    """
    grey = array.ndim == 2 and array.dtype in (np.bool_, np.uint8)
    rgb = array.ndim == 3 and array.shape[2] == 3 and array.dtype == np.uint8
    if not (grey or rgb) or not array.size:
        raise InvalidInputError(
            "array must be (H, W) or (H, W, 3) uint8, or (H, W) bool, got "
            f"{array.dtype} {array.shape}. Convert it first."
        )
    pixels = array.astype(np.uint8) * 255 if array.dtype == np.bool_ else array
    with atomic_write(path) as stream:
        Image.fromarray(np.ascontiguousarray(pixels)).save(stream, format="PNG")


def _name_of(source: object) -> str:
    if isinstance(source, str | os.PathLike):
        return os.fspath(source)
    if isinstance(source, bytes):
        return "image"
    return str(getattr(source, "name", "image"))


@contextmanager
def _opened(source: str | os.PathLike[str] | bytes | BinaryIO, name: str) -> Iterator[BinaryIO]:
    """Return a context with a seekable stream of the source that is known not to be empty."""
    if isinstance(source, str | os.PathLike):
        stream = _open_file(source, name)
    else:
        stream = io.BytesIO(source if isinstance(source, bytes) else _read_all(source))
    with stream:
        if not stream.seekable():
            stream = io.BytesIO(stream.read())
        if not stream.read(1):
            raise ImageReadError(
                f"{name} must be an image file, got zero bytes. Copy or download it again."
            )
        stream.seek(0)
        yield stream


def _open_file(path: str | os.PathLike[str], name: str) -> BinaryIO:
    try:
        return Path(path).open("rb")
    except FileNotFoundError as error:
        raise ImageReadError(
            f"{name} must be an image file, got no such file. Check the path."
        ) from error
    except IsADirectoryError as error:
        raise ImageReadError(
            f"{name} must be an image file, got a folder. Name a file in it."
        ) from error
    except (OSError, ValueError) as error:
        raise ImageReadError(
            f"{name} must be a readable image file, got: {error}. Check the path and its rights."
        ) from error


def _read_all(source: object) -> bytes:
    read = getattr(source, "read", None)
    data = read() if callable(read) else None
    if not isinstance(data, bytes):
        raise InvalidInputError(
            "source must be a path, bytes or a file opened with mode 'rb', got "
            f"{type(source).__name__}. Arrays and Pillow images go to to_rgb_array."
        )
    return data


@contextmanager
def _quiet_pillow(limit: int | None = None) -> Iterator[None]:
    """Return a context without Pillow's warnings and with `limit` as its process-wide pixel limit.

    Both are global state, so one thread at a time; most decoding stays outside, in parallel.
    """
    with _PILLOW_LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        previous, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, limit
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = previous


def _open_image(stream: BinaryIO, name: str, max_pixels: int) -> Image.Image:
    try:
        with _quiet_pillow():
            image = Image.open(stream)
    except Exception as error:
        # A damaged header leads Pillow's readers to errors of many classes.
        raise ImageReadError(
            f"{name} must be an image (JPEG, PNG, WebP, TIFF, ...), got something else or a "
            "damaged file. Convert or copy it again."
        ) from error
    _check_pixels(image, name, max_pixels)
    return image


@contextmanager
def _telling_damage(what: str, advice: str) -> Iterator[None]:
    """A context in which Pillow decodes: its decoders raise whatever the damage leads to."""
    try:
        yield
    except ImageReadError:
        raise
    except Exception as error:
        raise ImageReadError(f"{what} ({error}). {advice}") from error


def _load(image: Image.Image, name: str, max_pixels: int) -> None:
    """Decode the pixels in place; two formats read headers, and warn, only now."""
    with _quiet_pillow(max_pixels) if image.format in ("TIFF", "ICO") else nullcontext():
        image.load()
    # An icon may hold a picture larger than its header says.
    _check_pixels(image, name, max_pixels)


def _check_pixels(image: Image.Image, name: str, max_pixels: int) -> None:
    width, height = image.size
    if width * height > max_pixels:
        raise ImageReadError(
            f"{name} must have at most {max_pixels} pixels, got {width} x {height}. "
            "Scale it down, or raise max_pixels if you trust the file."
        )


def _orientation(image: Image.Image) -> int:
    try:
        with _quiet_pillow():
            return int(image.getexif().get(_EXIF_ORIENTATION, 1))
    except Exception:
        # Damaged EXIF data says nothing about the pixels: leave them as they are.
        return 1


def _to_rgb(image: Image.Image) -> Image.Image:
    """Return any Pillow image as mode RGB."""
    if image.mode.startswith("I;16"):
        values = np.asarray(image).astype(np.float64)
        return Image.fromarray(_to_bytes(values / 257)).convert("RGB")
    if image.mode in ("I", "F"):
        return Image.fromarray(_wide_to_bytes(np.asarray(image, dtype=np.float64))).convert("RGB")
    if image.mode in ("La", "RGBa"):
        image = image.convert(image.mode.upper())  # premultiplied alpha
    if image.mode in ("LA", "PA", "RGBA") or "transparency" in image.info:
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, "white")
        return Image.alpha_composite(white, layer).convert("RGB")
    return image.convert("RGB")


def _wide_to_bytes(values: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return greys of an unknown range as bytes; what is not finite becomes black."""
    finite = np.isfinite(values)
    if not finite.any():
        return np.zeros(values.shape, dtype=np.uint8)
    low, high = values[finite].min(), values[finite].max()
    values = np.where(finite, values, low)
    if low < 0 or high > 65535:
        return _to_bytes((values - low) * (255 / (high - low)) if high > low else values * 0)
    if high <= 1:
        return _to_bytes(values * 255)
    return _to_bytes(values if high <= 255 else values / 257)


def _to_bytes(values: NDArray[np.float64]) -> NDArray[np.uint8]:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
