"""Folders of PNG masks are read back; every way they can be wrong is told in one line."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from anymask.core.errors import ImageReadError, InvalidInputError
from anymask.dataset.mask_folder import read_mask_folder
from anymask.dataset.sets import find_sets, read_set

# 1 is a ring with a hole, 2 has two parts, 255 is one pixel.
IDS = np.array(
    [
        [1, 1, 1, 0, 2, 0],
        [1, 0, 1, 0, 0, 0],
        [1, 1, 1, 0, 2, 255],
    ],
    np.uint8,
)


def write_set(folder: Path, masks: Callable[[Path], None], size: tuple[int, int] = (6, 3)) -> Path:
    (folder / "images").mkdir(parents=True)
    (folder / "masks").mkdir()
    Image.new("RGB", size, "grey").save(folder / "images" / "a.jpg")
    masks(folder / "masks")
    return folder


def save(ids: NDArray[np.generic], mode: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        if mode == "RGB":
            image = Image.fromarray(np.stack([ids, ids // 2, 0 * ids], axis=2).astype(np.uint8))
        elif mode == "P":
            image = Image.fromarray(ids.astype(np.uint8))
            image.putpalette([value for i in range(256) for value in (i, 255 - i, 7)])
        else:
            image = Image.fromarray(ids.astype({"L": np.uint8, "I;16": np.uint16}[mode]))
        image.save(folder / "a.png")

    return write


@pytest.mark.parametrize("mode", ["L", "I;16", "P", "RGB"])
def test_one_file_of_numbers_is_read_whatever_its_mode(tmp_path: Path, mode: str) -> None:
    (image,) = read_mask_folder(write_set(tmp_path / "set", save(IDS, mode)))
    assert image.original_size == (3, 6)
    values = [1, 2] if mode == "P" else [1, 2, 255]  # 255 is no object in a palette
    assert len(image.masks) == len(values)
    for mask, value in zip(image.masks, values, strict=True):
        np.testing.assert_array_equal(mask.rle.to_mask(), value == IDS)


def test_large_numbers_of_16_bits_are_kept_apart(tmp_path: Path) -> None:
    ids = IDS.astype(np.uint16) * 256
    (image,) = read_mask_folder(write_set(tmp_path / "set", save(ids, "I;16")))
    assert [mask.rle.area for mask in image.masks] == [8, 2, 1]


def test_a_file_an_object_gives_its_name(tmp_path: Path) -> None:
    def write(folder: Path) -> None:
        (folder / "a").mkdir()
        names = {"dog_2": 255, "mask-1": 255, "7": 1}
        for value, (name, full) in enumerate(names.items(), 1):
            mask = np.where((value if value < 3 else 255) == IDS, full, 0).astype(np.uint8)
            Image.fromarray(mask).save(folder / "a" / f"{name}.png")

    (image,) = read_mask_folder(write_set(tmp_path / "set", write))
    # sorted by name: 7, dog_2, mask-1
    assert [(mask.rle.area, mask.category) for mask in image.masks] == [
        (1, ""),
        (8, "dog"),
        (2, ""),
    ]
    np.testing.assert_array_equal(image.masks[1].rle.to_mask(), IDS == 1)


def test_numbers_can_have_names(tmp_path: Path) -> None:
    folder = write_set(tmp_path / "set", save(IDS, "L"))
    (folder / "categories.json").write_text(json.dumps({"1": "ring", "255": "dot"}))
    (image,) = read_set(folder)
    assert [mask.category for mask in image.masks] == ["ring", "", "dot"]
    (folder / "categories.json").write_text("[1]")
    with pytest.raises(InvalidInputError, match=r"categories\.json must be a JSON object"):
        read_set(folder)


def test_a_photo_without_masks_stays_and_the_layout_is_found(tmp_path: Path) -> None:
    folder = write_set(tmp_path / "set", save(IDS, "L"))
    Image.new("RGB", (5, 5)).save(folder / "images" / "b.png")
    assert find_sets(tmp_path) == {"set": folder}
    assert [(i.path.name, len(i.masks)) for i in read_set(folder)] == [("a.jpg", 3), ("b.png", 0)]


def test_what_does_not_fit_is_told_in_one_line(tmp_path: Path) -> None:
    folder = write_set(tmp_path / "size", save(IDS, "L"), size=(6, 4))
    with pytest.raises(
        InvalidInputError, match=r"a\.jpg must have the size .*\(3, 6\), got \(4, 6"
    ):
        read_mask_folder(folder)

    folder = write_set(tmp_path / "alone", save(IDS, "L"))
    (folder / "images" / "a.jpg").rename(folder / "images" / "c.jpg")
    with pytest.raises(InvalidInputError, match=r"must have an image of their name, got .*a\.png"):
        read_mask_folder(folder)

    folder = write_set(tmp_path / "empty", save(0 * IDS, "L"))
    with pytest.raises(InvalidInputError, match="got 1 images and no mask"):
        read_mask_folder(folder)

    folder = write_set(tmp_path / "both", save(IDS, "L"))
    (folder / "masks" / "a").mkdir()
    with pytest.raises(InvalidInputError, match="'a' must be one file or one folder"):
        read_mask_folder(folder)

    folder = write_set(tmp_path / "twice", save(IDS, "L"))
    Image.new("RGB", (6, 3)).save(folder / "images" / "a.png")
    with pytest.raises(InvalidInputError, match="different names, got several 'a'"):
        read_mask_folder(folder)

    folder = write_set(tmp_path / "damaged", save(IDS, "L"))
    (folder / "masks" / "a.png").write_bytes(b"no image")
    with pytest.raises(ImageReadError, match=r"a\.png must be an image"):
        read_mask_folder(folder)
