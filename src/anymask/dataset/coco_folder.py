"""Read a folder of photographs with masks: `images/` beside one COCO instance JSON."""

import gzip
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from anymask.core.errors import InvalidInputError
from anymask.core.rle import Rle

ANNOTATION_FILES = ("masks.json.gz", "masks.json", "annotations.json")


@dataclass(frozen=True, kw_only=True)
class LabelledMask:
    """One target mask of a photograph; `rle` is at the photograph's size and decoded on demand."""

    annotation_id: int
    rle: Rle
    category: str


@dataclass(frozen=True, kw_only=True)
class LabelledImage:
    """One photograph, not yet opened, with its target masks; `original_size` is (H, W)."""

    image_id: int
    path: Path
    original_size: tuple[int, int]
    masks: tuple[LabelledMask, ...]


def find_sets(folder: str | Path) -> dict[str, Path]:
    """Return the sets below `folder` as name to path: itself if it is a set, else its sub-folders.

    Raises:
        InvalidInputError: the folder is missing or holds no set.
    """
    folder = _existing_folder(folder)
    if _annotation_file(folder) is not None:
        return {folder.resolve().name: folder}
    children = sorted(child for child in folder.iterdir() if child.is_dir())
    sets = {child.name: child for child in children if _annotation_file(child) is not None}
    if not sets:
        raise InvalidInputError(
            f"data folder must hold a set (images/ and one of {', '.join(ANNOTATION_FILES)}) or "
            f"sub-folders that are sets, got {folder}. Point at the folder that holds the JSON."
        )
    return sets


def read_coco_folder(folder: str | Path) -> tuple[LabelledImage, ...]:
    """Return the set's photographs sorted by id, each with its masks sorted by annotation id.

    Images are not opened. Segmentations may be compressed or uncompressed RLE or polygons
    (rasterised by pycocotools where installed, else by Pillow, which differs by a pixel at the
    edge). Crowd annotations (a group, not an object) and masks of no pixel are left out.

    Raises:
        InvalidInputError: the folder or its JSON is missing or damaged, holds nothing, or an
            annotation does not fit its image.
    """
    folder = _existing_folder(folder)
    file = _annotation_file(folder)
    if file is None:
        raise InvalidInputError(
            f"set folder must hold one of {', '.join(ANNOTATION_FILES)}, got {folder}. "
            "Put the COCO instance JSON there."
        )
    content = _read_json(file)
    try:
        images = _group_by_image(content, folder)
    except InvalidInputError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        what = f"missing key {error}" if isinstance(error, KeyError) else str(error)
        raise InvalidInputError(
            f"{file} must be a COCO instance JSON, got {what}. "
            "Write images, annotations and categories as in COCO."
        ) from None
    if not any(image.masks for image in images):
        raise InvalidInputError(
            f"{file} must list images with masks, got {len(images)} images and no mask. "
            "Check that the export was complete."
        )
    return images


def _existing_folder(folder: str | Path) -> Path:
    folder = Path(folder)
    if not folder.is_dir():
        raise InvalidInputError(
            f"data folder must be an existing folder, got {folder}. Check the path."
        )
    return folder


def _annotation_file(folder: Path) -> Path | None:
    candidates = (folder / name for name in ANNOTATION_FILES)
    return next((file for file in candidates if file.is_file()), None)


def _read_json(file: Path) -> dict[str, Any]:
    try:
        raw = file.read_bytes()
        content = json.loads(gzip.decompress(raw) if file.suffix == ".gz" else raw)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise InvalidInputError(
            f"{file} must be readable JSON, got {error}. Write or download it again."
        ) from None
    if not isinstance(content, dict):
        raise InvalidInputError(
            f"{file} must hold a JSON object, got {type(content).__name__}. Is it a COCO file?"
        )
    return content


def _group_by_image(content: dict[str, Any], folder: Path) -> tuple[LabelledImage, ...]:
    image_folder = folder / "images" if (folder / "images").is_dir() else folder
    names = {int(item["id"]): str(item["name"]) for item in content.get("categories", ())}
    sizes = {
        int(item["id"]): (int(item["height"]), int(item["width"])) for item in content["images"]
    }
    masks: dict[int, list[LabelledMask]] = {image_id: [] for image_id in sizes}
    for item in sorted(content["annotations"], key=lambda item: int(item["id"])):
        image_id = int(item["image_id"])
        if image_id not in sizes:
            raise InvalidInputError(
                f"annotation {item['id']} of {folder} must belong to a listed image, "
                f"got image_id {image_id}. Add the image or remove the annotation."
            )
        if item.get("iscrowd", 0):
            continue
        rle = _parse_segmentation(item["segmentation"], sizes[image_id], f"annotation {item['id']}")
        if rle.area > 0:
            category = names.get(int(item.get("category_id", 0)), "")
            masks[image_id].append(
                LabelledMask(annotation_id=int(item["id"]), rle=rle, category=category)
            )
    return tuple(
        LabelledImage(
            image_id=int(item["id"]),
            path=image_folder / str(item["file_name"]),
            original_size=sizes[int(item["id"])],
            masks=tuple(masks[int(item["id"])]),
        )
        for item in sorted(content["images"], key=lambda item: int(item["id"]))
    )


def _parse_segmentation(segmentation: Any, size: tuple[int, int], name: str) -> Rle:
    if isinstance(segmentation, list):
        return _polygons_to_rle(segmentation, size, name)
    try:
        rle = Rle.from_coco(segmentation)
    except InvalidInputError as error:
        raise InvalidInputError(f"segmentation of {name}: {error}") from None
    if tuple(rle.size) != size:
        raise InvalidInputError(
            f"segmentation of {name} must have its image's size (H, W) {size}, "
            f"got {tuple(rle.size)}. Encode the mask at the size of the image file."
        )
    return rle


def _polygons_to_rle(polygons: Sequence[Any], size: tuple[int, int], name: str) -> Rle:
    if any(len(polygon) < 6 or len(polygon) % 2 for polygon in polygons):
        raise InvalidInputError(
            f"polygons of {name} must be flat lists x0, y0, x1, y1, ... of three points or more, "
            "got another shape. Export them again."
        )
    if not polygons:
        return Rle.from_mask(np.zeros(size, dtype=bool))
    try:
        from pycocotools import mask as coco_mask
    except ImportError:
        canvas = Image.new("1", (size[1], size[0]))
        for polygon in polygons:
            ImageDraw.Draw(canvas).polygon([float(value) for value in polygon], fill=1)
        return Rle.from_mask(np.array(canvas, dtype=bool))
    return Rle.from_coco(coco_mask.merge(coco_mask.frPyObjects(list(polygons), *size)))
