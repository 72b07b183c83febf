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
from anymask.core.geometry import xyxy_to_xywh
from anymask.core.rle import Rle

Box = tuple[float, float, float, float]

# JSON readers keep whole numbers up to 2^53: 16 bits for the mask leave 37 for the image.
_PLACE_BITS = 16
_MAX_IMAGE_ID = (1 << 53 - _PLACE_BITS) - 1


def mask_id(image_id: int, place: int) -> int:
    """Return the id of an image's mask, unique over a set; from 0, `place` counts in the image.

    Raises:
        InvalidInputError: a number is too large or negative.

    >>> mask_id(3, 5), place_of_mask(mask_id(3, 5))
    (196613, (3, 5))
    """
    if not (0 <= image_id <= _MAX_IMAGE_ID and 0 <= place < 1 << _PLACE_BITS):
        raise InvalidInputError(
            f"image_id must be in [0, {_MAX_IMAGE_ID}] and place in [0, {(1 << _PLACE_BITS) - 1}], "
            f"got {image_id} and {place}. Number images and masks from 0 or 1."
        )
    return (image_id << _PLACE_BITS) + place


def place_of_mask(mask_id: int) -> tuple[int, int]:
    """Return the image's id and the place in it that `mask_id` was made of."""
    return mask_id >> _PLACE_BITS, mask_id & (1 << _PLACE_BITS) - 1


def exact_box(rle: Rle) -> Box:
    """Return a mask's box as x, y, width, height, as COCO has it; zeros when it is empty."""
    x, y, width, height = xyxy_to_xywh(rle.to_box()).tolist()
    return x, y, width, height


def released_box(rle: Rle) -> Box:
    """Return a mask's box as SA-1B has it: width and height are last minus first pixel inside."""
    x, y, width, height = exact_box(rle)
    return x, y, max(width - 1, 0.0), max(height - 1, 0.0)


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

    @classmethod
    def without_generator(
        cls,
        segmentation: Rle,
        *,
        id: int,
        predicted_iou: float = 0.0,
        point_coords: tuple[tuple[float, float], ...] = (),
    ) -> "MaskRecord":
        """Return the record of a mask that a person or another program made.

        What nobody estimated is 0 (a generator's masks never are), there are no points unless
        somebody clicked, and the crop is the whole image.
        """
        height, width = segmentation.size
        return cls(
            bbox=exact_box(segmentation),
            area=segmentation.area,
            segmentation=segmentation,
            predicted_iou=predicted_iou,
            point_coords=point_coords,
            crop_box=(0.0, 0.0, float(width), float(height)),
            id=id,
            stability_score=0.0,
        )

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
        raw = Path(path).read_bytes()
    except OSError as error:
        raise _unreadable(os.fspath(path), error) from error
    return parse_records(raw, os.fspath(path))


def parse_records(raw: bytes, name: str) -> tuple[ImageRecord, list[MaskRecord]]:
    """Return the image and the masks of an SA-1B JSON file's bytes.

    Args:
        raw: the file.
        name: of the file, for errors.

    Raises:
        InvalidInputError: as `read_records`.
    """
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise _unreadable(name, error) from error
    place = name
    try:
        data = _with_keys("file", value, ("image", "annotations"))
        image = ImageRecord.from_json(data["image"])
        if not isinstance(data["annotations"], list):
            raise _wrong("annotations", "a list", data["annotations"])
        masks = []
        for index, annotation in enumerate(data["annotations"]):
            place = f"{name}, annotation {index}"
            masks.append(_mask_of(image, annotation))
    except InvalidInputError as error:
        raise InvalidInputError(f"{place}: {error}") from error
    return image, masks


def _unreadable(name: str, error: Exception) -> InvalidInputError:
    return InvalidInputError(
        f"{name} must be a readable SA-1B JSON file, got: {error}. Check the file."
    )


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
