"""One image's masks as SA-1B keeps them on disk: its keys unchanged, one JSON file per image."""

import json
import math
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from anymask.core.errors import InvalidInputError
from anymask.core.files import write_json
from anymask.core.rle import Rle

Box = tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True)
class ImageRecord:
    """The image that a file of masks belongs to; sizes in pixels."""

    image_id: int
    width: int
    height: int
    file_name: str

    def to_json(self) -> dict[str, Any]:
        """Return the record as plain JSON data, keys in SA-1B's order."""
        return {
            "image_id": self.image_id,
            "width": self.width,
            "height": self.height,
            "file_name": self.file_name,
        }

    @classmethod
    def from_json(cls, value: Any) -> "ImageRecord":
        """Return the record of plain JSON data; InvalidInputError names a wrong key."""
        data = _with_keys("image", value, _keys(cls))
        if not isinstance(data["file_name"], str):
            raise _wrong("file_name", "text", data["file_name"])
        return cls(
            image_id=_whole("image_id", data["image_id"]),
            width=_whole("width", data["width"]),
            height=_whole("height", data["height"]),
            file_name=data["file_name"],
        )


@dataclass(frozen=True, kw_only=True)
class MaskRecord:
    """One mask with how it was made, all in pixels of the image.

    Attributes:
        bbox: x, y, width, height. SA-1B's own files are one pixel short in width and height
            (last inside minus first); ours are COCO's exact box.
        area: number of the mask's pixels.
        segmentation: the mask.
        predicted_iou: the model's own estimate of the mask's quality.
        point_coords: the xy points that were the prompt; SA-1B has exactly one.
        crop_box: x, y, width, height of the crop that was segmented.
        id: unique among all masks of the set.
        stability_score: IoU of the mask at a higher and a lower threshold.
    """

    bbox: Box
    area: int
    segmentation: Rle
    predicted_iou: float
    point_coords: tuple[tuple[float, float], ...]
    crop_box: Box
    id: int
    stability_score: float

    def to_json(self) -> dict[str, Any]:
        """Return the record as plain JSON data, keys in SA-1B's order."""
        return {
            "bbox": list(self.bbox),
            "area": self.area,
            "segmentation": self.segmentation.to_coco(),
            "predicted_iou": self.predicted_iou,
            "point_coords": [list(point) for point in self.point_coords],
            "crop_box": list(self.crop_box),
            "id": self.id,
            "stability_score": self.stability_score,
        }

    @classmethod
    def from_json(cls, value: Any) -> "MaskRecord":
        """Return the record of plain JSON data; InvalidInputError names a wrong key."""
        data = _with_keys("annotation", value, _keys(cls))
        points = data["point_coords"]
        if not isinstance(points, list):
            raise _wrong("point_coords", "a list of [x, y]", points)
        return cls(
            bbox=_box("bbox", data["bbox"]),
            area=_whole("area", data["area"]),
            segmentation=Rle.from_coco(data["segmentation"]),
            predicted_iou=_number("predicted_iou", data["predicted_iou"]),
            point_coords=tuple(_point(point) for point in points),
            crop_box=_box("crop_box", data["crop_box"]),
            id=_whole("id", data["id"]),
            stability_score=_number("stability_score", data["stability_score"]),
        )


def write_records(
    path: str | os.PathLike[str], image: ImageRecord, masks: Iterable[MaskRecord]
) -> None:
    """Write one image's SA-1B JSON file, whole or not at all; OutputError says why not."""
    annotations = [mask.to_json() for mask in masks]
    write_json(path, {"image": image.to_json(), "annotations": annotations})


def read_records(path: str | os.PathLike[str]) -> tuple[ImageRecord, list[MaskRecord]]:
    """Return the image and the masks of one SA-1B JSON file.

    Raises:
        InvalidInputError: the file is missing or not JSON, a key is missing, unknown or of the
            wrong type, or a mask has another size than the image; the text names file and mask.
    """
    try:
        value = json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InvalidInputError(
            f"{os.fspath(path)} must be a readable SA-1B JSON file, got: {error}. Check the file."
        ) from error
    place = os.fspath(path)
    try:
        data = _with_keys("file", value, ("image", "annotations"))
        image = ImageRecord.from_json(data["image"])
        if not isinstance(data["annotations"], list):
            raise _wrong("annotations", "a list", data["annotations"])
        masks = []
        for index, annotation in enumerate(data["annotations"]):
            place = f"{os.fspath(path)}, annotation {index}"
            masks.append(_mask_of(image, annotation))
    except InvalidInputError as error:
        raise InvalidInputError(f"{place}: {error}") from error
    return image, masks


def _mask_of(image: ImageRecord, annotation: Any) -> MaskRecord:
    mask = MaskRecord.from_json(annotation)
    if mask.segmentation.size != (image.height, image.width):
        raise InvalidInputError(
            f"segmentation size must be the image's [{image.height}, {image.width}], got "
            f"{list(mask.segmentation.size)}. SA-1B writes [height, width]."
        )
    return mask


def _keys(record: type[ImageRecord] | type[MaskRecord]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(record))


def _with_keys(kind: str, value: Any, keys: tuple[str, ...]) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _wrong(kind, "a JSON object", value)
    missing = [key for key in keys if key not in value]
    unknown = [str(key) for key in value if key not in keys]
    if missing or unknown:
        found = [
            f"{label} {', '.join(names)}"
            for label, names in (("missing", missing), ("unknown", unknown))
            if names
        ]
        raise InvalidInputError(
            f"{kind} must have exactly the keys {', '.join(keys)}, got {' and '.join(found)}. "
            "Correct the file."
        )
    return value


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _wrong(name, "a finite number", value)
    return float(value)


def _whole(name: str, value: Any) -> int:
    number = value if type(value) is int else _number(name, value)
    if number != int(number):
        raise _wrong(name, "a whole number", value)
    return int(number)


def _box(name: str, value: Any) -> Box:
    if not isinstance(value, list | tuple) or len(value) != 4:
        raise _wrong(name, "[x, y, width, height]", value)
    x, y, width, height = (_number(name, side) for side in value)
    return x, y, width, height


def _point(value: Any) -> tuple[float, float]:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise _wrong("point_coords", "a list of [x, y]", value)
    return _number("point_coords", value[0]), _number("point_coords", value[1])


def _wrong(name: str, wanted: str, value: Any) -> InvalidInputError:
    text = repr(value)
    shown = text if len(text) <= 60 else f"{text[:57]}..."
    return InvalidInputError(f"{name} must be {wanted}, got {shown}. Correct the record.")
