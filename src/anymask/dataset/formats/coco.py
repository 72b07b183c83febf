"""COCO's instance JSON: run lengths or polygons, crowds, categories."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from anymask.core.annotated import AnnotatedImage, AnnotatedMask
from anymask.core.geometry import xyxy_to_xywh
from anymask.core.outlines import bridge_outlines, trace_outlines
from anymask.core.records import ImageRecord
from anymask.dataset.formats.pictures import Pictures
from anymask.dataset.formats.problems import Problem, problems_of
from anymask.dataset.formats.written import WrittenFile, tidy_name
from anymask.dataset.segmentation import parse_segmentation

FILE = "annotations.json"


def read_coco(
    content: Mapping[str, Any], file: str, pictures: Pictures
) -> Iterator[AnnotatedImage | Problem]:
    """Yield the images of a COCO JSON that have annotations; see `reading.AnnotationReader`."""
    annotations: dict[Any, list[Mapping[str, Any]]] = {}
    names: dict[Any, str] = {}
    with problems_of(file) as problems:
        names = {item["id"]: tidy_name(item["name"]) for item in content.get("categories") or ()}
        for item in content["annotations"]:
            annotations.setdefault(item["image_id"], []).append(item)
    yield from problems
    listed = content["images"] if not problems else ()
    for number, image in enumerate(listed):
        with problems_of(f"{file}, image {number}") as problems:
            found = annotations.pop(image["id"], None)
            if found:
                yield _read_image(image, found, names, pictures)
        yield from problems
    for image_id in list(annotations)[:1]:
        text = f"annotations must belong to a listed image, got image_id {image_id!r}. Add it."
        yield Problem(file=file, text=text)


def _read_image(
    image: Mapping[str, Any],
    annotations: Iterable[Mapping[str, Any]],
    names: Mapping[Any, str],
    pictures: Pictures,
) -> AnnotatedImage:
    # LVIS v1 names its images by address only.
    picture = pictures.find(str(image["file_name"] if "file_name" in image else image["coco_url"]))
    size = picture.size
    masks = tuple(
        AnnotatedMask(
            segmentation=parse_segmentation(
                item["segmentation"], size, f"annotation {item.get('id')}"
            ),
            name=names.get(item.get("category_id"), ""),
            is_crowd=bool(item.get("iscrowd", 0)),
            id=str(item.get("id", "")),
        )
        for item in annotations
        if item.get("segmentation")  # boxes alone have none
    )
    record = ImageRecord(
        image_id=int(image["id"]), height=size[0], width=size[1], file_name=picture.name
    )
    return AnnotatedImage(image=record, masks=masks)


def write_coco(images: Iterable[AnnotatedImage], title: str) -> Iterator[WrittenFile]:
    """Yield the file with all masks as compressed run lengths, which keep holes and parts."""
    yield WrittenFile(path=FILE, pieces=coco_pieces(images, title))


def write_coco_polygons(images: Iterable[AnnotatedImage], title: str) -> Iterator[WrittenFile]:
    """Yield the file with all masks but crowds as one polygon each, for tools without run lengths.

    Holes and parts are joined by bridges of no width: filled even-odd, the mask is the same.
    """
    yield WrittenFile(path=FILE, pieces=coco_pieces(images, title, as_polygons=True))


def coco_pieces(
    images: Iterable[AnnotatedImage], title: str, *, as_polygons: bool = False
) -> Iterator[bytes]:
    """Yield a COCO JSON piece by piece; of the images only names and sizes are held in memory.

    Categories are the names that masks have, numbered from 1 as they come, as annotations are.
    """
    rows: list[str] = []
    categories: dict[str, int] = {}
    number = 0
    yield f'{{"info": {json.dumps({"description": title})}, "annotations": ['.encode()
    for image in images:
        rows.append(json.dumps(image_row(image.image)))
        for position, mask in enumerate(image.masks):
            number += 1
            category_id = categories.setdefault(mask.label, len(categories) + 1)
            row = {"id": number, "image_id": image.image.image_id, "category_id": category_id}
            row |= mask_row(mask, position, as_polygons=as_polygons)
            yield ((", " if number > 1 else "") + json.dumps(row)).encode()
    yield b'], "images": ['
    for i, text in enumerate(rows):
        yield ((", " if i else "") + text).encode()
    listed = [{"id": i, "name": name} for name, i in categories.items()]
    yield f'], "categories": {json.dumps(listed)}}}\n'.encode()


def image_row(image: ImageRecord) -> dict[str, Any]:
    """Return an image's entry."""
    return {
        "id": image.image_id,
        "file_name": image.file_name,
        "width": image.width,
        "height": image.height,
    }


def mask_row(mask: AnnotatedMask, position: int, *, as_polygons: bool) -> dict[str, Any]:
    """Return what an annotation's entry says of its mask, the `position`-th of its image."""
    rle = mask.segmentation
    segmentation: Any = rle.to_coco()
    if mask.is_crowd:
        segmentation = rle.to_coco_uncompressed()  # as COCO's own crowds are
    elif as_polygons:
        segmentation = [bridge_outlines(trace_outlines(rle)).reshape(-1).tolist()]
    row = {
        "segmentation": segmentation,
        "bbox": xyxy_to_xywh(rle.to_box()).tolist(),
        "area": rle.area,
        "iscrowd": int(mask.is_crowd),
        "anymask_position": position,
    }
    return row | ({"anymask_id": mask.id} if mask.id else {})
