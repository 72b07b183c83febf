"""LabelMe's JSON, one file an image: masks as small PNGs in it, polygons, rectangles, circles."""

import base64
import binascii
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import count
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from PIL import Image

from anymask.core.annotated import AnnotatedImage, AnnotatedMask
from anymask.core.errors import InvalidInputError
from anymask.core.image_io import read_labels
from anymask.core.outlines import fill_outlines, unite
from anymask.core.records import ImageRecord
from anymask.core.rle import Rle
from anymask.dataset.formats.pictures import Pictures
from anymask.dataset.formats.problems import Problem, problems_of
from anymask.dataset.formats.written import WrittenFile, tidy_name

# The first version with masks whose pixels we write.
_VERSION = "5.4.1"
_CIRCLE_POINTS = 64


def read_labelme(
    content: Mapping[str, Any], file: str, pictures: Pictures
) -> Iterator[AnnotatedImage | Problem]:
    """Yield the image of a LabelMe JSON; see `reading.AnnotationReader`.

    Shapes of one label and group are parts of one mask. Lines and points, which are no masks, are
    left out.
    """
    with problems_of(file) as problems:
        named = str(content.get("imagePath") or PurePosixPath(file).with_suffix(""))
        picture = pictures.find(named)
        size = picture.size
        parts: dict[Any, list[Rle]] = {}
        alone = count()
        for shape in content["shapes"]:
            rle = _read_shape(shape, size)
            if rle is not None:
                group = shape.get("group_id")
                key = ("alone", next(alone)) if group is None else ("group", group)
                parts.setdefault((tidy_name(shape["label"]), *key), []).append(rle)
        masks = tuple(
            AnnotatedMask(segmentation=unite(rles), name=key[0]) for key, rles in parts.items()
        )
        record = ImageRecord(image_id=0, height=size[0], width=size[1], file_name=picture.name)
        yield AnnotatedImage(image=record, masks=masks)
    yield from problems


def write_labelme(images: Iterable[AnnotatedImage], title: str) -> Iterator[WrittenFile]:
    """Yield a JSON beside each image; masks are shapes of the kind "mask", exact to the pixel."""
    for image in images:
        record = image.image
        path = PurePosixPath(record.file_name)
        content: dict[str, Any] = {
            "version": _VERSION,
            "flags": {},
            "shapes": [_write_shape(mask) for mask in image.masks],
            "imagePath": path.name,
            "imageData": None,
            "imageHeight": record.height,
            "imageWidth": record.width,
        }
        yield WrittenFile(
            path=str(path.with_suffix(".json")), pieces=[json.dumps(content).encode()]
        )


def _read_shape(shape: Mapping[str, Any], size: tuple[int, int]) -> Rle | None:
    points = np.array(shape["points"], dtype=np.float64)
    kind = shape.get("shape_type") or "polygon"
    if kind == "mask":
        return _read_mask(str(shape["mask"]), points, size)
    if kind == "polygon":
        return fill_outlines([points], size)
    if kind not in ("rectangle", "circle"):
        return None
    if points.shape != (2, 2):
        raise InvalidInputError(f"points of a {kind} must be two, got others. Draw it again.")
    (x0, y0), (x1, y1) = points
    if kind == "rectangle":
        return fill_outlines([[(x0, y0), (x1, y0), (x1, y1), (x0, y1)]], size)
    angles = np.linspace(0, 2 * np.pi, _CIRCLE_POINTS, endpoint=False)
    radius = np.hypot(x1 - x0, y1 - y0)  # centre and a point on the rim
    rim = np.stack([x0 + radius * np.cos(angles), y0 + radius * np.sin(angles)], axis=1)
    return fill_outlines([rim], size)


def _read_mask(text: str, points: Any, size: tuple[int, int]) -> Rle:
    """The mask of a PNG that lies with its corner at the first point."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise InvalidInputError(
            "mask must be base64 of a PNG, got other text. Save it again."
        ) from None
    values, _ = read_labels(data, max_pixels=size[0] * size[1])
    x0, y0 = (int(value) for value in points[0])
    return Rle.from_mask(values > 0).placed(size, x0, y0)


def _write_shape(mask: AnnotatedMask) -> dict[str, Any]:
    x0, y0, x1, y1 = mask.segmentation.to_box().astype(int).tolist()
    window = mask.segmentation.sample(np.arange(y0, y1), np.arange(x0, x1))
    stream = io.BytesIO()
    Image.fromarray(window).save(stream, format="PNG")
    return {
        "label": mask.label,
        "points": [[x0, y0], [x1 - 1, y1 - 1]],  # the first and the last pixel
        "group_id": None,
        "description": "",
        "shape_type": "mask",
        "flags": {},
        "mask": base64.b64encode(stream.getvalue()).decode(),
    }
