import io

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from anymask.core.image_io import read_image
from anymask.dataset.privacy.concealing import NUM_CELLS, conceal, conceal_file, widened
from anymask.dataset.privacy.regions import Region
from anymask.dataset.release import encode_release


def region(*box: float) -> Region:
    x0, y0, x1, y1 = box
    return Region(box=(x0, y0, x1, y1), kind="face", score=0.9, source="test")


def noise(height: int = 120, width: int = 160, seed: int = 0) -> NDArray[np.uint8]:
    random = np.random.default_rng(seed)
    return random.integers(0, 256, (height, width, 3), dtype=np.uint8)


def inside(image: NDArray[np.uint8], box: tuple[int, int, int, int]) -> NDArray[np.uint8]:
    x0, y0, x1, y1 = box
    return image[y0:y1, x0:x1]


def test_nothing_outside_the_rim_changes_and_the_input_stays() -> None:
    image = noise()
    before = image.copy()
    concealed = conceal(image, [region(40, 30, 80, 70)])
    np.testing.assert_array_equal(image, before)
    changed = (concealed != image).any(axis=2)
    rows, columns = np.nonzero(changed)
    # A margin of 8, and a rim of 4.
    assert (columns.min(), columns.max()) == (28, 91)
    assert (rows.min(), rows.max()) == (18, 81)


def test_what_is_left_of_a_region_are_few_numbers() -> None:
    box = widened((20, 20, 100, 100), (120, 160))
    assert box is not None
    left = inside(conceal(noise(), [region(20, 20, 100, 100)]), box).astype(float)
    # A picture drawn from n x n averages has n independent rows, up to rounding.
    for channel in range(3):
        values = np.linalg.svd(left[..., channel], compute_uv=False)
        assert (values[NUM_CELLS:] < 0.01 * values[0]).all()


def test_details_leave_no_trace() -> None:
    """Two originals of the same averages look alike but for the noise, which differs."""
    box = widened((20, 20, 100, 100), (120, 160))
    assert box is not None
    flat = np.full((120, 160, 3), 128, np.uint8)
    stripes = flat.copy()
    stripes[:, ::2], stripes[:, 1::2] = 28, 228
    a, b = (
        inside(conceal(image, [region(20, 20, 100, 100)]), box).astype(float)
        for image in (flat, stripes)
    )
    assert not np.array_equal(a, b)
    assert abs(np.diff(b, axis=1)).max() < 6  # no stripes: steps of 200 before
    assert abs(a - 128).max() < 60
    assert abs(b - 128).max() < 60


def test_averages_carry_noise_that_the_result_does_not_tell() -> None:
    flat = np.full((120, 160, 3), 128, np.uint8)
    concealed = conceal(flat, [region(20, 20, 100, 100)])
    assert inside(concealed, (20, 20, 100, 100)).std() > 4


def test_no_pixel_of_a_region_survives_where_regions_overlap() -> None:
    image = noise()
    pair = [region(20, 20, 70, 70), region(60, 40, 120, 90)]
    concealed = conceal(image, pair)
    for one in pair:
        box = widened(one.box, (120, 160))
        assert box is not None
        a, b = inside(concealed, box).astype(float), inside(image, box).astype(float)
        correlation = np.corrcoef(a[..., 0].ravel(), b[..., 0].ravel())[0, 1]
        assert abs(correlation) < 0.15
        assert (a == b).all(axis=2).mean() < 0.01


def test_the_same_image_gives_the_same_bytes() -> None:
    regions = [region(20, 20, 70, 70)]
    a, b = (encode_release(conceal(noise(), regions)) for _ in range(2))
    assert a == b


@pytest.mark.parametrize("box", [(-30, -30, 4, 4), (150, 110, 400, 300), (3, 3, 3.5, 3.5)])
def test_regions_at_the_edge_and_tiny_ones(box: tuple[float, float, float, float]) -> None:
    assert (conceal(noise(), [region(*box)]) != noise()).any()


def test_regions_beside_the_image_change_nothing() -> None:
    np.testing.assert_array_equal(conceal(noise(), [region(500, 500, 600, 600)]), noise())


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_a_file_keeps_its_format_and_loses_its_metadata(format: str) -> None:
    exif = Image.Exif()
    exif[0x010E] = "Ada at home"
    exif[0x0112] = 6  # to be turned
    stream = io.BytesIO()
    Image.fromarray(noise()).save(stream, format=format, exif=exif)
    data = conceal_file(stream.getvalue(), [region(20, 20, 70, 70)])
    assert b"Ada at home" in stream.getvalue()
    assert b"Ada at home" not in data
    with Image.open(io.BytesIO(data)) as written:
        assert written.format == format
        assert not written.getexif()
    assert read_image(data).shape == (160, 120, 3)
