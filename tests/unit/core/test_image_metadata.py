"""What goes and what stays when a picture leaves without its metadata."""

import io

import numpy as np
import pytest
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from anymask.core.errors import ImageReadError
from anymask.core.image_io import read_image
from anymask.core.image_metadata import without_metadata
from tiny_predictor import noise_image

SECRET = b"somewhere private"
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def told(orientation: int = 1) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010E] = SECRET.decode()
    return exif


def written(format: str, **options: object) -> bytes:
    stream = io.BytesIO()
    picture = Image.fromarray(noise_image(30, 40, 0))
    picture.save(stream, format=format, icc_profile=PROFILE, **options)
    return stream.getvalue()


def png() -> bytes:
    text = PngInfo()
    text.add_text("Comment", SECRET.decode())
    text.add_itxt("XML:com.adobe.xmp", SECRET.decode())
    return written("PNG", exif=told(), pnginfo=text)


FILES = {
    "baseline": written("JPEG", exif=told(), comment=SECRET, xmp=SECRET),
    "progressive": written("JPEG", exif=told(), progressive=True, quality=95),
    "png": png(),
    "webp": written("WEBP", exif=told(), xmp=SECRET, lossless=True),
}


@pytest.mark.parametrize("name", FILES)
def test_what_was_told_is_gone_pixels_and_colours_stay(name: str) -> None:
    before = FILES[name]
    assert SECRET in before
    after = without_metadata(before + SECRET)  # some cameras add things at the end
    assert after is not None
    assert SECRET not in after
    np.testing.assert_array_equal(read_image(after), read_image(before))
    with Image.open(io.BytesIO(after)) as picture:
        assert picture.info["icc_profile"] == PROFILE
        assert not picture.getexif()
    assert without_metadata(after) == after


def test_a_file_without_metadata_stays_byte_by_byte() -> None:
    for format in ("JPEG", "PNG", "WEBP"):
        data = written(format)
        assert without_metadata(data) == data


def test_pictures_that_must_be_encoded_anew_are_left_to_the_caller() -> None:
    assert without_metadata(written("JPEG", exif=told(orientation=6))) is None
    stream = io.BytesIO()
    Image.fromarray(noise_image(3, 4, 0)).save(stream, format="GIF")
    assert without_metadata(stream.getvalue()) is None


@pytest.mark.parametrize("name", FILES)
def test_a_part_of_a_file_is_told(name: str) -> None:
    with pytest.raises(ImageReadError):
        without_metadata(FILES[name][:-40])
