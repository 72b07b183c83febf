"""CVAT's XML 1.1 for images: masks as run lengths of their box, polygons."""

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

import numpy as np

from anymask.core.annotated import AnnotatedImage, AnnotatedMask
from anymask.core.errors import InvalidInputError
from anymask.core.outlines import fill_outlines, unite
from anymask.core.records import ImageRecord
from anymask.core.rle import Rle
from anymask.dataset.formats.pictures import Pictures
from anymask.dataset.formats.problems import Problem, problems_of
from anymask.dataset.formats.written import WrittenFile, tidy_name

FILE = "annotations.xml"
_SPOOL_BYTES = 8_000_000
_PIECE_BYTES = 1 << 16


def read_cvat(root: Element, file: str, pictures: Pictures) -> Iterator[AnnotatedImage | Problem]:
    """Yield the images of a CVAT XML that have shapes; see `reading.AnnotationReader`.

    Shapes of one label and group are parts of one mask. The foremost (`z_order`) come first. Boxes,
    lines and points, which are no masks, are left out.
    """
    for number, element in enumerate(root.iter("image")):
        with problems_of(f"{file}, image {number}") as problems:
            if len(element):
                yield _read_image(element, pictures)
        yield from problems


def _read_image(element: Element, pictures: Pictures) -> AnnotatedImage:
    picture = pictures.find(element.attrib["name"])
    size = picture.size
    parts: dict[Any, list[Rle]] = {}
    layers: dict[Any, int] = {}
    alone = count()
    for shape in element:
        rle = _read_shape(shape, size)
        if rle is not None:
            group = int(shape.get("group_id") or 0)
            key = (tidy_name(shape.attrib["label"]), group, None if group else next(alone))
            parts.setdefault(key, []).append(rle)
            layers[key] = max(layers.get(key, 0), int(shape.get("z_order") or 0))
    masks = tuple(
        AnnotatedMask(segmentation=unite(parts[key]), name=key[0])
        for key in sorted(parts, key=lambda key: -layers[key])
    )
    image_id = int(element.get("id") or 0)
    record = ImageRecord(image_id=image_id, height=size[0], width=size[1], file_name=picture.name)
    return AnnotatedImage(image=record, masks=masks)


def _read_shape(shape: Element, size: tuple[int, int]) -> Rle | None:
    if shape.tag == "mask":
        return _read_mask(shape.attrib, size)
    if shape.tag == "polygon":
        points = [point.split(",") for point in shape.attrib["points"].split(";")]
        return fill_outlines([points], size)
    return None


def _read_mask(values: Mapping[str, str], size: tuple[int, int]) -> Rle:
    """A mask of its box's run lengths, which go along the rows."""
    x0, y0, width, height = (int(values[key]) for key in ("left", "top", "width", "height"))
    counts = [int(number) for number in values["rle"].split(",")]
    if min(width, height) < 1 or width > size[1] or height > size[0]:
        raise InvalidInputError(f"mask must lie in its image, got {width} x {height}. Correct it.")
    # Along the rows is down the columns of the picture turned over.
    turned = Rle.from_coco({"size": [width, height], "counts": counts})
    return Rle.from_mask(turned.to_mask().T).placed(size, x0, y0)


def write_cvat(images: Iterable[AnnotatedImage], title: str) -> Iterator[WrittenFile]:
    """Yield the file with all masks. CVAT takes it for a task that has the labels already."""
    yield WrittenFile(path=FILE, pieces=_pieces(images, title))


def _pieces(images: Iterable[AnnotatedImage], title: str) -> Iterator[bytes]:
    labels: dict[str, None] = {}
    # The labels come first in the file and are known last.
    with tempfile.SpooledTemporaryFile(max_size=_SPOOL_BYTES) as spool:
        for number, image in enumerate(images):
            spool.write(tostring(_image_element(number, image), encoding="utf-8") + b"\n")
            labels.update(dict.fromkeys(mask.label for mask in image.masks))
        root = Element("annotations")
        SubElement(root, "version").text = "1.1"
        task = SubElement(SubElement(root, "meta"), "task")
        SubElement(task, "name").text = title
        listed = SubElement(task, "labels")
        for label in labels:
            SubElement(SubElement(listed, "label"), "name").text = label
        text = tostring(root, encoding="utf-8", xml_declaration=True)
        yield text.removesuffix(b"</annotations>") + b"\n"
        spool.seek(0)
        while piece := spool.read(_PIECE_BYTES):
            yield piece
    yield b"</annotations>\n"


def _image_element(number: int, image: AnnotatedImage) -> Element:
    record = image.image
    element = Element(
        "image",
        id=str(number),
        name=record.file_name,
        width=str(record.width),
        height=str(record.height),
    )
    for i, mask in enumerate(image.masks):
        x0, y0, x1, y1 = mask.segmentation.to_box().astype(int).tolist()
        window = mask.segmentation.sample(np.arange(y0, y1), np.arange(x0, x1))
        counts = Rle.from_mask(window.T).counts.tolist()
        SubElement(
            element,
            "mask",
            label=mask.label,
            source="manual",
            occluded="0",
            rle=", ".join(map(str, counts)),
            left=str(x0),
            top=str(y0),
            width=str(x1 - x0),
            height=str(y1 - y0),
            z_order=str(len(image.masks) - 1 - i),
        )
    return element
