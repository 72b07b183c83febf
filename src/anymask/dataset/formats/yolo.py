"""YOLO's segmentation labels: a text file an image, a polygon a line, coordinates as fractions."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import yaml

from anymask.core.annotated import AnnotatedImage, AnnotatedMask
from anymask.core.errors import InvalidInputError
from anymask.core.outlines import bridge_outlines, fill_outlines, trace_outlines
from anymask.core.records import ImageRecord
from anymask.dataset.formats.pictures import Pictures
from anymask.dataset.formats.problems import Problem, problems_of
from anymask.dataset.formats.written import WrittenFile, tidy_name

NAME_FILES = ("data.yaml", "data.yml", "dataset.yaml", "classes.txt", "obj.names")
_MAX_NAME_BYTES = 1_000_000
_BOX_VALUES = 5  # class, centre, width, height


def is_label_line(line: str) -> bool:
    """Whether a line could be one of a label file: a class and at least a box."""
    values = line.split()
    try:
        return len(values) >= _BOX_VALUES and int(values[0]) >= 0 and bool([*map(float, values)])
    except ValueError:
        return False


def read_yolo(
    path: Path, file: str, names: Mapping[int, str], pictures: Pictures
) -> Iterator[AnnotatedImage | Problem]:
    """Yield the image of a label file; see `reading.AnnotationReader`.

    Polygons are filled even-odd. Boxes, which are no masks, are left out.

    Args:
        path: of the file.
        file: its name for people.
        names: of the classes.
        pictures: among which is its picture, of the same name and folder.
    """
    with problems_of(file) as problems:
        picture = pictures.find(str(PurePosixPath(file).with_suffix("")))
        height, width = size = picture.size
        masks = []
        for line in path.read_text(encoding="utf-8").splitlines():
            if len(line.split()) in (0, _BOX_VALUES):
                continue
            number, *values = line.split()
            if len(values) % 2:
                raise InvalidInputError("line must be a class and pairs x y, got an odd number.")
            outline = np.array(values, dtype=np.float64).reshape(-1, 2) * (width, height)
            rle = fill_outlines([outline], size)
            masks.append(AnnotatedMask(segmentation=rle, name=names.get(int(number), "")))
        record = ImageRecord(image_id=0, height=height, width=width, file_name=picture.name)
        yield AnnotatedImage(image=record, masks=tuple(masks))
    yield from problems


def read_names(path: Path) -> dict[int, str]:
    """Return the names of the classes by their numbers, from a YAML file or a list of lines.

    Raises:
        InvalidInputError: the file is damaged or has no names.
    """
    try:
        text = path.read_bytes()[:_MAX_NAME_BYTES].decode()
        if path.suffix in (".yaml", ".yml"):
            names = yaml.safe_load(text)["names"]
        else:
            names = text.splitlines()
        pairs = names.items() if isinstance(names, dict) else enumerate(names)
        return {int(number): tidy_name(name) for number, name in pairs}
    except (KeyError, OSError, RecursionError, TypeError, ValueError, yaml.YAMLError) as error:
        raise InvalidInputError(
            f"{path.name} must list the names of the classes, got: {error}. Correct it."
        ) from None


def write_yolo(images: Iterable[AnnotatedImage], title: str) -> Iterator[WrittenFile]:
    """Yield a label file an image, and data.yaml with the names, numbered from 0 as they come.

    A line of the format is one polygon: holes and parts are joined by bridges of no width. Crowds
    are left out, as in training.
    """
    numbers: dict[str, int] = {}
    for image in images:
        lines = [
            _line(image.image, mask, numbers.setdefault(mask.label, len(numbers)))
            for mask in image.masks
            if not mask.is_crowd
        ]
        path = PurePosixPath("labels", image.image.file_name).with_suffix(".txt")
        yield WrittenFile(path=str(path), pieces=["".join(lines).encode()])
    names = {number: name for name, number in numbers.items()}
    # Without "path" the folders are looked for beside this file.
    content = {"description": title, "train": "images", "val": "images"}
    text = yaml.safe_dump(content | {"names": names}, allow_unicode=True, sort_keys=False)
    yield WrittenFile(path="data.yaml", pieces=[text.encode()])


def _line(image: ImageRecord, mask: AnnotatedMask, number: int) -> str:
    outline: Any = bridge_outlines(trace_outlines(mask.segmentation))
    # Six digits are a hundredth of a pixel at most, and corners are half a pixel from any centre.
    values = (outline / (image.width, image.height)).reshape(-1).tolist()
    return f"{number} {' '.join(f'{value:.6g}' for value in values)}\n"
