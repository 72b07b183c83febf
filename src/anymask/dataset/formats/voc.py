"""Pascal VOC's folders: class and instance PNGs, and XML files with boxes."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any
from xml.etree.ElementTree import Element, SubElement, indent, tostring

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from anymask.core.annotated import AnnotatedImage, AnnotatedMask
from anymask.core.errors import InvalidInputError
from anymask.core.image_io import read_labels
from anymask.core.records import ImageRecord
from anymask.core.rle import Rle
from anymask.dataset.formats.pictures import Pictures
from anymask.dataset.formats.problems import Problem, problems_of
from anymask.dataset.formats.written import WrittenFile, tidy_name

OBJECT_FOLDER = "SegmentationObject"
CLASS_FOLDER = "SegmentationClass"
LABEL_FILE = "labelmap.txt"
_VOID = 255
_PALETTE_SIZE = 255  # and void
# Of the challenge; its PNGs do not say them.
# fmt: off
_CHALLENGE = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair",
    "cow", "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa",
    "train", "tvmonitor",
)
# fmt: on


@dataclass(frozen=True, kw_only=True)
class LabelMap:
    """The names of classes, by their numbers in a palette and by colour, R + 256 G + 65536 B."""

    by_number: Mapping[int, str]
    by_color: Mapping[int, str]


def read_voc(
    path: Path, file: str, labels: LabelMap, pictures: Pictures
) -> Iterator[AnnotatedImage | Problem]:
    """Yield the image of an instance PNG, or of a class PNG without one, where a class is a mask.

    Args:
        path: of the PNG; that with the classes has the same name in the folder beside.
        file: its name for people; see `reading.AnnotationReader`.
        labels: the names of the classes.
        pictures: among which is its picture.
    """
    with problems_of(file) as problems:
        picture = pictures.find(str(PurePosixPath(file).with_suffix("")))
        size = picture.size
        objects = _read_numbers(path, size)
        class_path = path.parent.parent / CLASS_FOLDER / path.name
        classes = _read_numbers(class_path, size) if class_path.is_file() else None
        masks = []
        for number in np.unique(objects[objects > 0]).tolist():
            mask = objects == number
            name = "" if classes is None else _name(classes[mask], labels)
            masks.append(AnnotatedMask(segmentation=Rle.from_mask(mask), name=name))
        record = ImageRecord(image_id=0, height=size[0], width=size[1], file_name=picture.name)
        yield AnnotatedImage(image=record, masks=tuple(masks))
    yield from problems


def object_png(class_png: Path) -> Path:
    """Return where the instances of a class PNG's picture are, if there are any."""
    return class_png.parent.parent / OBJECT_FOLDER / class_png.name


def read_label_map(path: Path | None) -> LabelMap:
    """Return the names of a labelmap.txt; the challenge's without one.

    Raises:
        InvalidInputError: the file is damaged.
    """
    if path is None:
        return LabelMap(by_number=dict(enumerate(_CHALLENGE)), by_color={})
    by_number: dict[int, str] = {}
    by_color: dict[int, str] = {}
    try:
        lines = [line for line in path.read_text("utf-8").splitlines() if line.strip()]
        has_heading = bool(lines) and lines[0].startswith("#")
        listed = [line.rsplit(":", 3)[:2] for line in lines[has_heading:]]
        for number, (name, color) in enumerate(listed):
            red, green, blue = map(int, color.split(","))
            by_number[number] = by_color[red + 256 * green + 65536 * blue] = tidy_name(name)
    except (OSError, ValueError) as error:
        raise InvalidInputError(
            f"{path.name} must have lines like cat:64,0,0::, got: {error}. Correct it."
        ) from None
    return LabelMap(by_number=by_number, by_color=by_color)


def write_voc(images: Iterable[AnnotatedImage], title: str) -> Iterator[WrittenFile]:
    """Yield two PNGs and an XML an image, the list of images, and labelmap.txt with the names.

    A pixel has one mask: where masks overlap the smaller has it. With more than 254 objects or
    names the PNGs are RGB, in the continuation of VOC's colours.
    """
    numbers: dict[str, int] = {}
    stems = []
    for image in images:
        stem = PurePosixPath(image.image.file_name).with_suffix("")
        stems.append(str(stem))
        of_class = [numbers.setdefault(mask.label, len(numbers) + 1) for mask in image.masks]
        of_object = list(range(1, len(image.masks) + 1))
        for folder, painted in ((CLASS_FOLDER, of_class), (OBJECT_FOLDER, of_object)):
            yield WrittenFile(path=f"{folder}/{stem}.png", pieces=[_paint(image, painted)])
        xml = tostring(_annotation(image), encoding="utf-8")
        yield WrittenFile(path=f"Annotations/{stem}.xml", pieces=[xml])
    listed = "".join(f"{stem}\n" for stem in stems)
    yield WrittenFile(path="ImageSets/Segmentation/default.txt", pieces=[listed.encode()])
    colors = voc_colors(len(numbers) + 1).tolist()
    labels = ["background", *numbers]
    lines = [
        f"{name}:{red},{green},{blue}::\n"
        for name, (red, green, blue) in zip(labels, colors, strict=True)
    ]
    yield WrittenFile(path=LABEL_FILE, pieces=["".join(lines).encode()])


def voc_colors(count: int) -> NDArray[np.uint8]:
    """Return the first colours (count, 3) uint8 RGB of VOC's colour map: bits dealt out in turn.

    >>> voc_colors(4).tolist()
    [[0, 0, 0], [128, 0, 0], [0, 128, 0], [128, 128, 0]]
    """
    numbers = np.arange(count)[:, None]
    colors = np.zeros((count, 3), dtype=np.int64)
    for bit in range(8):
        colors |= ((numbers >> (3 * bit + np.arange(3))) & 1) << (7 - bit)
    return colors.astype(np.uint8)


def _read_numbers(path: Path, size: tuple[int, int]) -> NDArray[np.integer[Any]]:
    values, has_palette = read_labels(path)
    if values.shape != size:
        raise InvalidInputError(
            f"{path.name} must have its picture's size (H, W) {size}, got {values.shape}. "
            "Write it at the size of the picture."
        )
    if has_palette or values.dtype == np.uint8:
        values[values == _VOID] = 0
    return values


def _name(values: NDArray[np.integer[Any]], labels: LabelMap) -> str:
    """What most of the pixels show; only colours are of the widest type."""
    found, counts = np.unique(values, return_counts=True)
    names = labels.by_color if values.dtype == np.int64 else labels.by_number
    return names.get(int(found[np.argmax(counts)]), "")


def _paint(image: AnnotatedImage, numbers: list[int]) -> bytes:
    """A PNG with each mask's number as its value, or as its colour."""
    canvas = np.zeros((image.image.height, image.image.width), dtype=np.int32)
    order = sorted(
        zip(image.masks, numbers, strict=True), key=lambda pair: -pair[0].segmentation.area
    )
    for mask, number in order:
        columns, row_starts, row_stops = mask.segmentation.column_runs()
        for column, start, stop in zip(
            columns.tolist(), row_starts.tolist(), row_stops.tolist(), strict=True
        ):
            canvas[start:stop, column] = number
    colors = voc_colors(max(numbers, default=0) + 1)
    if len(colors) > _PALETTE_SIZE:
        picture = Image.fromarray(colors[canvas])
    else:
        picture = Image.fromarray(canvas.astype(np.uint8), mode="P")
        picture.putpalette(voc_colors(256).tobytes())
    stream = BytesIO()
    picture.save(stream, format="PNG")
    return stream.getvalue()


def _annotation(image: AnnotatedImage) -> Element:
    """The XML with a box an object, whose pixels are counted from 1."""
    record = image.image
    root = Element("annotation")
    path = PurePosixPath(record.file_name)
    for tag, text in (("folder", str(path.parent)), ("filename", path.name), ("segmented", "1")):
        SubElement(root, tag).text = text
    size = SubElement(root, "size")
    for tag, length in (("width", record.width), ("height", record.height), ("depth", 3)):
        SubElement(size, tag).text = str(length)
    for mask in image.masks:
        element = SubElement(root, "object")
        SubElement(element, "name").text = mask.label
        x0, y0, x1, y1 = mask.segmentation.to_box().astype(int).tolist()
        box = SubElement(element, "bndbox")
        for tag, value in (("xmin", x0 + 1), ("ymin", y0 + 1), ("xmax", x1), ("ymax", y1)):
            SubElement(box, tag).text = str(value)
    indent(root)
    return root
