"""A project's masks for others: COCO JSON in one piece, SA-1B's JSON one image at a time."""

import json
from collections.abc import Iterator
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from anymask.core.geometry import xyxy_to_xywh
from anymask.core.records import ImageRecord, MaskRecord
from anymask.core.rle import Rle
from anymask.engine.store.annotations import list_annotations
from anymask.engine.store.projects import get_project
from anymask.engine.store.tables import Annotation, Image

UNNAMED = "object"
"""The category of masks without a name; the protocol of the paper asks for none."""


def coco_json(session: Session, project_id: int) -> Iterator[str]:
    """Yield the text of a COCO file, a piece per image, so that no project is too large.

    Segmentations are run lengths, so holes and parts stay. Categories are the names that masks
    have; ids are counted from 1 in the order of images and of prominence.

    Raises:
        NotFoundError: there is no such project.
    """
    project = get_project(session, project_id)
    names = session.scalars(
        select(Annotation.name)
        .distinct()
        .join(Image, Image.id == Annotation.image_id)
        .where(Image.project_id == project_id, ~Annotation.is_deleted)
    )
    categories = {name: i for i, name in enumerate(sorted({n or UNNAMED for n in names}), 1)}
    info = {"description": project.name}
    yield f'{{"info": {json.dumps(info)}, "images": ['
    for i, image in enumerate(_images(session, project_id)):
        entry = {
            "id": image.id,
            "file_name": image.name,
            "width": image.width,
            "height": image.height,
        }
        yield (", " if i else "") + json.dumps(entry)
    yield '], "annotations": ['
    number = 0
    for image in _images(session, project_id):
        for mask in list_annotations(session, image.id):
            number += 1
            entry = _coco_annotation(number, image, mask, categories[mask.name or UNNAMED])
            yield (", " if number > 1 else "") + json.dumps(entry)
    listed = [{"id": i, "name": name} for name, i in categories.items()]
    yield f'], "categories": {json.dumps(listed)}}}\n'


def sa1b_files(session: Session, project_id: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (file name, content) of each image, in SA-1B's keys.

    A file is named after the image's id, as in SA-1B; the image's own name is in it. Where no model
    made a mask, `predicted_iou` is 0; `stability_score` is 0, as what a person has finished is not
    a threshold's outcome.

    Raises:
        NotFoundError: there is no such project.
    """
    get_project(session, project_id)
    number = 0
    for image in _images(session, project_id):
        masks = []
        for mask in list_annotations(session, image.id):
            number += 1
            masks.append(_sa1b_mask(number, image, mask).to_json())
        record = ImageRecord(
            image_id=image.id, width=image.width, height=image.height, file_name=image.name
        )
        yield f"sa_{image.id}.json", {"image": record.to_json(), "annotations": masks}


def annotation_rle(image: Image, mask: Annotation) -> Rle:
    """Return a stored mask's run lengths."""
    return Rle.from_coco({"size": [image.height, image.width], "counts": mask.counts})


def _images(session: Session, project_id: int) -> Iterator[Image]:
    query = select(Image).where(Image.project_id == project_id).order_by(Image.id)
    yield from session.scalars(query)


def _coco_annotation(
    number: int, image: Image, mask: Annotation, category_id: int
) -> dict[str, Any]:
    rle = annotation_rle(image, mask)
    return {
        "id": number,
        "image_id": image.id,
        "category_id": category_id,
        "segmentation": rle.to_coco(),
        "bbox": xyxy_to_xywh(rle.to_box()).tolist(),
        "area": mask.area,
        "iscrowd": 0,
        "anymask_id": mask.id,
        "anymask_position": mask.position,
    }


def _sa1b_mask(number: int, image: Image, mask: Annotation) -> MaskRecord:
    rle = annotation_rle(image, mask)
    x, y, width, height = xyxy_to_xywh(rle.to_box()).tolist()
    points = mask.prompts.get("point_coords") or []
    return MaskRecord(
        bbox=(x, y, width, height),
        area=mask.area,
        segmentation=rle,
        predicted_iou=mask.predicted_iou or 0.0,
        point_coords=tuple((float(px), float(py)) for px, py in points),
        crop_box=(0.0, 0.0, float(image.width), float(image.height)),
        id=number,
        stability_score=0.0,
    )
