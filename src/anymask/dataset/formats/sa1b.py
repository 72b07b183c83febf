"""SA-1B's JSON, one file an image."""

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

from anymask.core.annotated import AnnotatedImage, AnnotatedMask
from anymask.core.records import ImageRecord, MaskRecord
from anymask.dataset.formats.pictures import Pictures
from anymask.dataset.formats.problems import Problem, problems_of
from anymask.dataset.formats.written import WrittenFile, tidy_name
from anymask.dataset.segmentation import parse_segmentation


def read_sa1b(
    content: Mapping[str, Any], file: str, pictures: Pictures
) -> Iterator[AnnotatedImage | Problem]:
    """Yield the image of an SA-1B JSON; see `reading.AnnotationReader`."""
    with problems_of(file) as problems:
        image = content["image"]
        picture = pictures.find(str(image["file_name"]))
        size = picture.size
        masks = tuple(
            AnnotatedMask(
                segmentation=parse_segmentation(item["segmentation"], size, f"annotation {i}"),
                name=tidy_name(item.get("category")),  # which SA-1B itself does not have
                predicted_iou=_estimate(item.get("predicted_iou")),
                point_coords=tuple((float(x), float(y)) for x, y in item.get("point_coords") or ()),
                id=str(item.get("id", "")),
            )
            for i, item in enumerate(content["annotations"])
        )
        record = ImageRecord(
            image_id=int(image["image_id"]), height=size[0], width=size[1], file_name=picture.name
        )
        yield AnnotatedImage(image=record, masks=masks)
    yield from problems


def write_sa1b(images: Iterable[AnnotatedImage], title: str) -> Iterator[WrittenFile]:
    """Yield a JSON beside each image, in SA-1B's keys; names of masks are not among them.

    `predicted_iou` is 0 where no model made the mask, `stability_score` always: what a person has
    finished is not a threshold's outcome.
    """
    number = 0
    for image in images:
        record, masks = image.image, []
        for mask in image.masks:
            number += 1
            masks.append(
                MaskRecord.without_generator(
                    mask.segmentation,
                    id=number,
                    predicted_iou=mask.predicted_iou or 0.0,
                    point_coords=mask.point_coords,
                ).to_json()
            )
        content = {"image": record.to_json(), "annotations": masks}
        path = PurePosixPath(record.file_name).with_suffix(".json")
        yield WrittenFile(path=str(path), pieces=[json.dumps(content).encode()])


def _estimate(value: Any) -> float | None:
    """The predicted IoU, None for 0, with which we write that there is none."""
    return min(float(value), 1.0) if value and 0 < float(value) < float("inf") else None
