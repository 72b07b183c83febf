"""Read photographs with masks in a COCO or LVIS instance JSON."""

import gzip
import json
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from anymask.core.errors import InvalidInputError
from anymask.dataset.labelled import LabelledImage, LabelledMask, check_readable, existing_folder
from anymask.dataset.segmentation import parse_segmentation

ANNOTATION_FILES = (
    "masks.json.gz",
    "masks.json",
    "annotations.json",
    "_annotations.coco.json",
)
_RELEASED_FILES = ("instances_*.json", "instances_*.json.gz", "lvis_*.json", "lvis_*.json.gz")


def annotation_files(folder: Path) -> tuple[Path, ...]:
    """The instance JSON files of a folder: its one of a fixed name, else COCO's and LVIS's own.

    The latter are `instances_*.json` and `lvis_*.json`, in the folder or in its `annotations/`.
    """
    named = [folder / name for name in ANNOTATION_FILES if (folder / name).is_file()]
    if named:
        return (named[0],)
    found: dict[str, Path] = {}
    for place in (folder / "annotations", folder):
        for pattern in _RELEASED_FILES:
            for file in sorted(place.glob(pattern)):
                if "image_info" not in file.name:  # lists of images without masks
                    found.setdefault(json_stem(file), file)
    return tuple(found[stem] for stem in sorted(found))


def json_stem(file: Path) -> str:
    """The file's name without .json or .json.gz."""
    return file.name.removesuffix(".gz").removesuffix(".json")


def read_coco_folder(folder: str | Path) -> tuple[LabelledImage, ...]:
    """Return the set's photographs sorted by id, each with its masks sorted by annotation id.

    Of the images only the headers are read. Segmentations may be compressed or uncompressed RLE or
    polygons (`parse_segmentation`). Crowd annotations (a group, not an object) and masks of no
    pixel are left out. LVIS files are read alike; those of v1 name their images by `coco_url` only.

    Args:
        folder: that holds the JSON (see `annotation_files`), or the JSON file itself. The images
            are in `images/` beside the JSON, beside it, or, when it is in `annotations/`, in
            the folder above it as COCO unpacks, e.g. `train2017/`.

    Raises:
        InvalidInputError: the folder or its JSON is missing or damaged, holds nothing, lists an id
            twice or an image that is not there, or an annotation does not fit its image.
        ImageReadError: an image file is damaged.
    """
    file = _the_annotation_file(Path(folder))
    content = _read_json(file)
    try:
        images = _group_by_image(content, file)
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
    check_readable(images)
    return images


def _the_annotation_file(path: Path) -> Path:
    if path.is_file():
        return path
    files = annotation_files(existing_folder(path))
    if not files:
        raise InvalidInputError(
            f"set folder must hold one of {', '.join(ANNOTATION_FILES)}, got {path}. "
            "Put the COCO instance JSON there."
        )
    if len(files) > 1:
        raise InvalidInputError(
            f"set folder must hold one instance JSON, got {', '.join(f.name for f in files)} in "
            f"{path}. Give the path of the JSON file."
        )
    return files[0]


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


def _group_by_image(content: dict[str, Any], file: Path) -> tuple[LabelledImage, ...]:
    names = {int(item["id"]): str(item["name"]) for item in content.get("categories", ())}
    _check_unique(file, "image", content["images"])
    _check_unique(file, "annotation", content["annotations"])
    sizes = {
        int(item["id"]): (int(item["height"]), int(item["width"])) for item in content["images"]
    }
    masks: dict[int, list[LabelledMask]] = {image_id: [] for image_id in sizes}
    for item in sorted(content["annotations"], key=lambda item: int(item["id"])):
        image_id = int(item["image_id"])
        if image_id not in sizes:
            raise InvalidInputError(
                f"annotation {item['id']} of {file} must belong to a listed image, "
                f"got image_id {image_id}. Add the image or remove the annotation."
            )
        if item.get("iscrowd", 0):
            continue
        rle = parse_segmentation(item["segmentation"], sizes[image_id], f"annotation {item['id']}")
        if rle.area > 0:
            category = names.get(int(item.get("category_id", 0)), "")
            masks[image_id].append(
                LabelledMask(annotation_id=int(item["id"]), rle=rle, category=category)
            )
    paths = _image_paths(content["images"], file)
    return tuple(
        LabelledImage(
            image_id=int(item["id"]),
            path=paths[int(item["id"])],
            original_size=sizes[int(item["id"])],
            masks=tuple(masks[int(item["id"])]),
        )
        for item in sorted(content["images"], key=lambda item: int(item["id"]))
    )


def _check_unique(file: Path, kind: str, items: Sequence[Any]) -> None:
    counts = Counter(int(item["id"]) for item in items)
    repeated = [key for key, count in counts.items() if count > 1]
    if repeated:
        raise InvalidInputError(
            f"{kind} ids of {file} must be unique, got {repeated[0]} {counts[repeated[0]]} times "
            f"({len(repeated)} such ids). Number them again."
        )


def _image_paths(items: Sequence[Any], file: Path) -> dict[int, Path]:
    """Where each image is, by its id."""
    roots = [file.parent / "images", file.parent]
    if file.parent.name == "annotations":
        above = file.parent.parent
        split = json_stem(file).rpartition("_")[2]  # instances_train2017
        roots += [above / "images", above / split, above]
    roots = [root for root in roots if root.is_dir()]
    paths: dict[int, Path] = {}
    missing = []
    for item in items:
        candidates = [root / name for root in roots for name in _image_names(item)]
        path = next((path for path in candidates if path.is_file()), None)
        if path is None:
            missing.append(_image_names(item)[0])
        else:
            paths[int(item["id"])] = path
    if missing:
        raise InvalidInputError(
            f"{file} must list images that are there, got {missing[0]} ({len(missing)} of "
            f"{len(items)} are missing), looked for in {', '.join(map(str, roots))}. "
            "Copy the images there or remove them from the JSON."
        )
    return paths


def _image_names(item: Mapping[str, Any]) -> list[str]:
    """The names that the file may have below the image folder, the likeliest first."""
    names = [str(item["file_name"])] if "file_name" in item else []
    url = item.get("coco_url")
    if url:  # LVIS: http://images.cocodataset.org/val2017/000000397133.jpg
        split, _, name = str(url).rpartition("/")
        names += [name, f"{split.rpartition('/')[2]}/{name}"]
    if not names:
        raise KeyError("file_name")
    return names
