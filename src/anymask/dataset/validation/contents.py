"""What the two files of an image must hold, each looked at by itself."""

import io
import json
from dataclasses import dataclass, fields
from typing import Any

from PIL import Image

from anymask.core.errors import ImageReadError, InvalidInputError
from anymask.core.image_io import read_image, read_image_size
from anymask.core.records import Box, ImageRecord, MaskRecord, exact_box, released_box
from anymask.core.rle import Rle
from anymask.dataset.validation.members import Member
from anymask.dataset.validation.rules import Findings, Tell

_MAX_PIXELS = 89_000_000  # above it Pillow itself warns
_MAX_ID = 1 << 53
# The head that predicts it is not bounded; SA-1B has values a little above 1.
_MAX_PREDICTED_IOU = 1.2
# Crops were scaled and rounded with their image.
_CROP_SLACK_PX = 1.0
_EXIF_ORIENTATION, _EXIF_LOCATION = 0x0112, 0x8825


@dataclass(frozen=True, kw_only=True)
class RecordFacts:
    """What is to be compared with other files.

    Attributes:
        size: (H, W) that the image must have, None if the record does not say.
        num_masks: of annotations, whether they are right or not.
        mask_ids: of those that can be read.
    """

    size: tuple[int, int] | None = None
    num_masks: int = 0
    mask_ids: tuple[int, ...] = ()


def check_image(member: Member, shortest_side: int, tell: Tell) -> tuple[int, int] | None:
    """Return the (H, W) of an image file, None if it is not one."""
    try:
        size = read_image_size(member.data)
        # All data are read, at the scale of 1/8, which takes half the time of the full one.
        read_image(member.data, max_pixels=_MAX_PIXELS, least_side=1)
    except ImageReadError as error:
        tell("image-damaged", str(error))
        return None
    with Image.open(io.BytesIO(member.data)) as image:
        kind, exif = image.format, image.getexif()
    if kind != "JPEG":
        tell("image-format", f"got {kind}")
    if min(size) > shortest_side:
        tell("shortest-side", f"got {min(size)} pixels, not {shortest_side} at most")
    if exif.get(_EXIF_ORIENTATION, 1) != 1:
        tell("image-turned", f"got orientation {exif[_EXIF_ORIENTATION]}")
    if exif.get_ifd(_EXIF_LOCATION):
        tell("image-location", "got an EXIF position")
    return size


def check_record(member: Member, place: str, findings: Findings) -> RecordFacts:
    """Return what a JSON file says; findings name the place and the annotation."""
    tell = findings.at(place)
    try:
        content = json.loads(member.data)
    except (ValueError, RecursionError) as error:
        tell("not-json", f"got {error}")
        return RecordFacts()
    if not _has_keys(content, ("image", "annotations")):
        tell("wrong-keys", f"got {_keys_of(content)} in the file")
        return RecordFacts()
    image = _check_image_record(content["image"], member, tell)
    annotations = content["annotations"]
    if not isinstance(annotations, list):
        tell("wrong-type", f"got annotations of type {type(annotations).__name__}")
        return RecordFacts()
    size = (image.height, image.width) if image is not None else None
    ids = []
    for number, annotation in enumerate(annotations):
        mask = _check_annotation(annotation, size, findings.at(f"{place}, annotation {number}"))
        if mask is not None:
            ids.append(mask.id)
    return RecordFacts(
        size=size,
        num_masks=len(annotations),
        mask_ids=tuple(number for number in ids if 0 <= number < _MAX_ID),
    )


def _check_image_record(value: Any, member: Member, tell: Tell) -> ImageRecord | None:
    try:
        image = ImageRecord.from_json(value)
    except InvalidInputError as error:
        has_keys = _has_keys(value, [field.name for field in fields(ImageRecord)])
        tell("wrong-type" if has_keys else "wrong-keys", str(error))
        return None
    if image.file_name != f"sa_{member.number}.jpg":
        tell("file-name", f"got {image.file_name[:100]!r}")
    if image.image_id != member.number:
        tell("image-id", f"got {image.image_id}")
    return image


def _check_annotation(value: Any, size: tuple[int, int] | None, tell: Tell) -> MaskRecord | None:
    try:
        mask = MaskRecord.from_json(value)
    except InvalidInputError as error:
        tell(_rule_of_broken(value), str(error))
        return None
    _check_segmentation(mask, size, tell)
    if size is not None:
        _check_places(mask, size, tell)
    if not 0 <= mask.predicted_iou <= _MAX_PREDICTED_IOU:
        tell("score-range", f"got predicted_iou {mask.predicted_iou}")
    if not 0 <= mask.stability_score <= 1:
        tell("score-range", f"got stability_score {mask.stability_score}")
    if not 0 <= mask.id < _MAX_ID:
        tell("id-range", f"got {mask.id}")
    return mask


def _rule_of_broken(annotation: Any) -> str:
    """The rule that an annotation breaks which is no `MaskRecord`."""
    if not _has_keys(annotation, [field.name for field in fields(MaskRecord)]):
        return "wrong-keys"
    try:
        Rle.from_coco(annotation["segmentation"])
    except InvalidInputError:
        return "rle-damaged"
    return "wrong-type"


def _check_segmentation(mask: MaskRecord, size: tuple[int, int] | None, tell: Tell) -> None:
    rle = mask.segmentation
    area = rle.area
    if size is not None and rle.size != size:
        tell("rle-size", f"got {list(rle.size)} in an image of {list(size)}")
        return
    if not area:
        tell("empty-mask", "got no pixels")
        return
    if mask.area != area:
        tell("wrong-area", f"got {mask.area} for {area} pixels")
    box = exact_box(rle)
    if mask.bbox != box and mask.bbox != released_box(rle):
        tell("wrong-bbox", f"got {_shown(mask.bbox)} for {_shown(box)}")


def _check_places(mask: MaskRecord, size: tuple[int, int], tell: Tell) -> None:
    height, width = size
    for x, y in mask.point_coords:
        if not (0 <= x <= width and 0 <= y <= height):
            tell("point-outside", f"got ({x:g}, {y:g}) in {width} x {height}")
    x, y, crop_width, crop_height = mask.crop_box
    if not (
        min(x, y) >= -_CROP_SLACK_PX
        and min(crop_width, crop_height) > 0
        and x + crop_width <= width + _CROP_SLACK_PX
        and y + crop_height <= height + _CROP_SLACK_PX
    ):
        tell("crop-box-outside", f"got {_shown(mask.crop_box)} in {width} x {height}")


def _has_keys(value: Any, keys: "list[str] | tuple[str, ...]") -> bool:
    return isinstance(value, dict) and value.keys() == set(keys)


def _keys_of(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, dict) else type(value).__name__


def _shown(box: Box) -> str:
    return "[" + ", ".join(f"{side:g}" for side in box) + "]"
