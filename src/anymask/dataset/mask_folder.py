"""Read photographs with masks in PNG files: `images/` beside `masks/`.

A photograph `images/beach.jpg` has its masks either in one file of numbers, `masks/beach.png`, or
in a folder of files, an object each, `masks/beach/*.png`. Holes and several parts are kept.

- A file of numbers: the pixels of one object have one value, the background is 0. Greys of 8 or 16
  bits, palettes (numbers, not colours; 255 is "void" there, as in VOC and DAVIS) or RGB, where
  each colour but black is an object. A `categories.json` beside `masks/`, {"1": "dog", ...}, may
  name the values (those of a colour are R + 256 G + 65536 B, as in COCO panoptic).
- A file an object: every pixel of at least half the file's largest value belongs to it. Its name
  without a number at the end is the category: `dog_2.png` shows a dog, `2.png` something.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.core.errors import InvalidInputError
from anymask.core.image_io import read_image_size, read_labels
from anymask.core.rle import Rle
from anymask.dataset.labelled import (
    LabelledImage,
    LabelledMask,
    check_size,
    existing_folder,
)
from anymask.dataset.photo_folder import PHOTO_SUFFIXES

CATEGORY_FILE = "categories.json"
_VOID = 255
# Names that say that a file is a mask, not what of.
_NO_CATEGORY = frozenset({"mask", "object", "obj", "instance", "segment", "label"})


def is_mask_folder(folder: Path) -> bool:
    """Whether the folder has the two folders of this layout."""
    return (folder / "images").is_dir() and (folder / "masks").is_dir()


def read_mask_folder(folder: str | Path) -> tuple[LabelledImage, ...]:
    """Return the set's photographs sorted by name, each with its masks.

    All masks are decoded, which takes some 10 ms a megapixel and mask; they are kept as run
    lengths. A photograph without masks has none.

    Raises:
        InvalidInputError: no such folder, no masks at all, a mask without a photograph or of
            another size, or two photographs of one name.
        ImageReadError: a file is not an image.
    """
    folder = existing_folder(folder)
    photos = _photos(existing_folder(folder / "images"))
    masks = _mask_files(existing_folder(folder / "masks"))
    categories = read_categories(folder / CATEGORY_FILE)
    alone = sorted(masks.keys() - photos.keys())
    if alone:
        raise InvalidInputError(
            f"masks of {folder} must have an image of their name, got {masks[alone[0]]} "
            f"({len(alone)} such). Copy images/{alone[0]}.jpg there or remove the masks."
        )
    images = []
    num_masks = 0
    for i, (stem, path) in enumerate(sorted(photos.items())):
        size = read_image_size(path)
        found = []
        for rle, category in read_masks(masks[stem], categories) if stem in masks else ():
            check_size(str(path), size, rle.size)
            if rle.area > 0:
                num_masks += 1
                found.append(LabelledMask(annotation_id=num_masks, rle=rle, category=category))
        images.append(
            LabelledImage(image_id=i + 1, path=path, original_size=size, masks=tuple(found))
        )
    if not num_masks:
        raise InvalidInputError(
            f"{folder} must hold images with masks, got {len(images)} images and no mask. "
            "Write masks/NAME.png beside images/NAME.jpg."
        )
    return tuple(images)


def _photos(folder: Path) -> dict[str, Path]:
    files = [
        file
        for file in sorted(folder.iterdir())
        if file.suffix.lower() in PHOTO_SUFFIXES and not file.name.startswith(".")
    ]
    repeated = [stem for stem, count in Counter(f.stem for f in files).items() if count > 1]
    if repeated:
        raise InvalidInputError(
            f"images of {folder} must have different names, got several {repeated[0]!r}. "
            "Rename them and their masks."
        )
    return {file.stem: file for file in files}


def _mask_files(folder: Path) -> dict[str, Path]:
    """The file or the folder of masks of each photograph, by its name."""
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        is_file = path.is_file() and path.suffix.lower() == ".png"
        if path.name.startswith(".") or not (is_file or path.is_dir()):
            continue
        stem = path.stem if is_file else path.name
        if stem in found:
            raise InvalidInputError(
                f"masks of {stem!r} must be one file or one folder, got both in {folder}. "
                "Remove one."
            )
        found[stem] = path
    return found


def read_categories(file: Path) -> Mapping[int, str]:
    """Return what the values of a file of numbers show; nothing if there is no such file.

    Raises:
        InvalidInputError: the file is damaged.
    """
    if not file.is_file():
        return {}
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        return {int(value): str(name) for value, name in content.items()}
    except (AttributeError, OSError, ValueError) as error:
        raise InvalidInputError(
            f'{file} must be a JSON object of values and names, {{"1": "dog"}}, got: {error}. '
            "Correct or remove it."
        ) from None


def read_masks(path: Path, categories: Mapping[int, str]) -> Iterator[tuple[Rle, str]]:
    """Yield the masks of one photograph's file or folder of masks, and what each shows.

    Raises:
        ImageReadError: a file is not an image.
    """
    if path.is_dir():
        for file in sorted(path.glob("*.png")):
            values = _read_values(file)
            is_inside = values >= max(1, (int(values.max()) + 1) // 2)
            category = re.sub(r"[-_ ]*\d*$", "", file.stem)
            yield Rle.from_mask(is_inside), "" if category.lower() in _NO_CATEGORY else category
        return
    values = _read_values(path)
    for value in np.unique(values):
        if value:
            yield Rle.from_mask(values == value), categories.get(int(value), "")


def _read_values(file: Path) -> NDArray[np.integer[Any]]:
    """(H, W) whole numbers, that of each pixel."""
    values, has_palette = read_labels(file)
    if has_palette:
        values[values == _VOID] = 0
    return values
