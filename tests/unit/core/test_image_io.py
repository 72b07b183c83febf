import io
import os
import struct
import threading
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anymask.core.errors import ImageReadError, InvalidInputError, OutputError
from anymask.core.image_io import (
    read_image,
    read_image_size,
    resize_longest_side,
    to_rgb_array,
    write_png,
)

RGB = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)


def encoded(image, file_format="PNG", **options):
    buffer = io.BytesIO()
    image.save(buffer, format=file_format, **options)
    return buffer.getvalue()


def png_header(width, height):
    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0"))


def test_path_bytes_and_files_give_the_same_pixels(tmp_path):
    path = tmp_path / "a.png"
    data = encoded(Image.fromarray(RGB))
    path.write_bytes(data)
    with path.open("rb") as stream:
        images = [read_image(path), read_image(str(path)), read_image(data), read_image(stream)]
    for image in images:
        np.testing.assert_array_equal(image, RGB)
        assert image.dtype == np.uint8
        assert image.flags.c_contiguous
        assert image.flags.writeable


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_exif_orientation_is_applied(orientation, file_format):
    stored = {
        1: RGB,
        2: RGB[:, ::-1],
        3: RGB[::-1, ::-1],
        4: RGB[::-1],
        5: RGB.transpose(1, 0, 2),
        6: np.rot90(RGB, 1),
        7: np.rot90(RGB, 2).transpose(1, 0, 2),
        8: np.rot90(RGB, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(Image.fromarray(np.ascontiguousarray(stored)), file_format, exif=exif)
    np.testing.assert_array_equal(read_image(data), RGB)


def test_damaged_exif_leaves_the_pixels_alone():
    data = encoded(Image.fromarray(RGB), exif=b"Exif\0\0MM\0*\0\0\xff\xff")
    np.testing.assert_array_equal(read_image(data), RGB)


def test_transparency_is_laid_on_white():
    rgba = np.dstack([RGB, np.full(RGB.shape[:2], 255, dtype=np.uint8)])
    rgba[0, 0, 3] = 0
    expected = RGB.copy()
    expected[0, 0] = 255
    np.testing.assert_array_equal(read_image(encoded(Image.fromarray(rgba))), expected)

    grey = Image.fromarray(rgba[..., 2:])
    assert grey.mode == "LA"
    expected_grey = np.repeat(expected[..., 2:], 3, axis=2)
    np.testing.assert_array_equal(read_image(encoded(grey)), expected_grey)


def test_palette_with_and_without_transparency():
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putpixel((1, 0), 1)
    np.testing.assert_array_equal(read_image(encoded(image)), [[[10, 20, 30], [200, 100, 50]]])
    data = encoded(image, transparency=b"\x00\xff")
    np.testing.assert_array_equal(read_image(data), [[[255] * 3, [200, 100, 50]]])


def test_one_bit_and_cmyk():
    bits = Image.fromarray(np.array([[True, False]]))
    assert bits.mode == "1"
    np.testing.assert_array_equal(read_image(encoded(bits)), [[[255] * 3, [0] * 3]])
    cmyk = Image.new("CMYK", (2, 2), (0, 255, 255, 0))
    np.testing.assert_array_equal(read_image(encoded(cmyk, "TIFF"))[0, 0], [255, 0, 0])


def test_sixteen_bits_are_scaled_and_not_clipped():
    values = np.array([[0, 257, 32896, 65535]], dtype=np.uint16)
    for file_format in ("PNG", "TIFF"):
        image = read_image(encoded(Image.fromarray(values), file_format))
        np.testing.assert_array_equal(image[0, :, 0], [0, 1, 128, 255])


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 0.5, 1.0], [0, 128, 255]),
        ([0.0, 100.0, 254.6], [0, 100, 255]),
        ([0.0, 257.0, 65535.0], [0, 1, 255]),
        ([-10.0, 0.0, 10.0], [0, 128, 255]),
        ([-10.0, -10.0, -10.0], [0, 0, 0]),
        ([0.0, float("nan"), 1.0], [0, 0, 255]),
        ([float("inf")] * 3, [0, 0, 0]),
    ],
)
def test_float_greys_are_scaled_by_their_range(values, expected):
    image = Image.fromarray(np.array([values], dtype=np.float32))
    np.testing.assert_array_equal(read_image(encoded(image, "TIFF"))[0, :, 0], expected)


def test_first_picture_of_an_animation_is_taken():
    frames = [Image.new("RGB", (3, 2), colour) for colour in ("red", "blue")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    np.testing.assert_array_equal(read_image(data)[0, 0], [255, 0, 0])


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_cut_off_file_is_refused(file_format):
    noise = np.random.default_rng(1).integers(0, 256, (80, 80, 3), dtype=np.uint8)
    data = encoded(Image.fromarray(noise), file_format)
    with pytest.raises(ImageReadError):
        read_image(data[: len(data) // 2])


def test_what_is_not_an_image_says_what_to_do(tmp_path):
    with pytest.raises(ImageReadError, match=r"no such file\. Check the path"):
        read_image(tmp_path / "missing.png")
    with pytest.raises(ImageReadError, match=r"got a folder\. Name a file in it"):
        read_image(tmp_path)
    with pytest.raises(ImageReadError, match="zero bytes"):
        read_image(b"")
    (tmp_path / "a.txt").write_text("hello")
    with pytest.raises(ImageReadError, match=r"a\.txt must be an image \(JPEG"):
        read_image(tmp_path / "a.txt")
    with pytest.raises(ImageReadError, match="readable image file"):
        read_image("a\0b")


def test_decompression_bomb_is_refused_before_decoding():
    with pytest.raises(ImageReadError, match="at most 200000000 pixels, got 50000 x 50000"):
        read_image(png_header(50_000, 50_000))
    with pytest.raises(ImageReadError, match="at most 53 pixels"):
        read_image(encoded(Image.fromarray(RGB)), max_pixels=53)
    assert read_image(encoded(Image.fromarray(RGB)), max_pixels=54).shape == (6, 9, 3)


def test_own_limit_replaces_that_of_pillow_and_restores_it(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    np.testing.assert_array_equal(read_image(encoded(Image.fromarray(RGB))), RGB)
    assert Image.MAX_IMAGE_PIXELS == 10


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_pipe_is_read_whole(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(encoded(Image.fromarray(RGB)),))
    writer.start()
    np.testing.assert_array_equal(read_image(pipe), RGB)
    writer.join()


def test_source_of_another_type_is_the_callers_mistake():
    with pytest.raises(InvalidInputError, match="path, bytes or a file"):
        read_image(io.StringIO("text"))
    with pytest.raises(InvalidInputError, match="Arrays and Pillow images go to to_rgb_array"):
        read_image(RGB)


def test_arrays_pass_and_pillow_images_are_converted():
    np.testing.assert_array_equal(to_rgb_array(RGB[:, ::-1]), RGB[:, ::-1])
    assert to_rgb_array(RGB[:, ::-1]).flags.c_contiguous
    assert to_rgb_array(Image.new("L", (3, 2), 7)).shape == (2, 3, 3)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (RGB[..., 0], r"uint8 RGB, got uint8 \(6, 9\)"),
        (RGB / 255, "got float64"),
        (RGB[:0], "must have pixels"),
        (Image.new("RGB", (0, 3)), "must have pixels"),
        ([[1]], "got list"),
    ],
)
def test_other_arrays_are_refused(image, message):
    with pytest.raises(InvalidInputError, match=message):
        to_rgb_array(image)


def test_resize_uses_the_sizes_of_the_frame():
    resized = resize_longest_side(np.full((30, 45, 3), 9, dtype=np.uint8), 16)
    assert resized.shape == (11, 16, 3)
    assert resized.dtype == np.uint8
    assert (resized == 9).all()
    np.testing.assert_array_equal(resize_longest_side(RGB, 9), RGB)


def test_resize_averages_when_it_shrinks():
    stripes = np.zeros((64, 64, 3), dtype=np.uint8)
    stripes[:, ::2] = 255
    inner = resize_longest_side(stripes, 8)[:, 1:-1]
    assert inner.min() > 100
    assert inner.max() < 155


def test_png_is_written_for_images_and_masks(tmp_path):
    path = tmp_path / "a.png"
    write_png(path, RGB)
    np.testing.assert_array_equal(read_image(path), RGB)
    mask = RGB[..., 0] > 127
    write_png(path, mask)
    np.testing.assert_array_equal(read_image(path)[..., 0], mask * 255)
    with pytest.raises(InvalidInputError, match="float64"):
        write_png(path, RGB / 255)
    with pytest.raises(OutputError, match="could not be written"):
        write_png(tmp_path / "missing" / "a.png", RGB)


def test_the_size_is_that_of_the_upright_image_and_no_pixel_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    for orientation, size in ((1, (20, 30)), (3, (20, 30)), (6, (30, 20))):
        exif = Image.Exif()
        exif[0x0112] = orientation
        Image.new("RGB", (30, 20)).save(path, exif=exif)
        assert read_image_size(path) == size == read_image(path).shape[:2]
    raw = path.read_bytes()
    assert read_image_size(raw[:-4]) == (30, 20)  # cut off within the pixels
    with pytest.raises(ImageReadError, match="must be an image"):
        read_image_size(b"no image")


@pytest.mark.parametrize(
    ("least_side", "longest"), [(None, 80), (80, 80), (41, 80), (40, 40), (1, 10)]
)
def test_a_jpeg_comes_reduced_as_far_as_is_allowed(
    tmp_path: Path, least_side: int | None, longest: int
) -> None:
    Image.new("RGB", (80, 64), "red").save(tmp_path / "a.jpg")
    Image.new("RGB", (80, 64), "red").save(tmp_path / "a.png")
    image = read_image(tmp_path / "a.jpg", least_side=least_side)
    assert image.shape == (longest * 64 // 80, longest, 3)
    assert abs(image.astype(int) - [254, 0, 0]).max() <= 1
    assert read_image(tmp_path / "a.png", least_side=least_side).shape == (64, 80, 3)
