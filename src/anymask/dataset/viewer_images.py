"""The viewer's files of one part of a data set: pictures, small copies, masks, and their facts."""

import io
import json
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from anymask.core.errors import ImageReadError, InvalidInputError
from anymask.core.files import rename_folder, write_bytes, write_json
from anymask.core.geometry import xyxy_to_xywh
from anymask.core.image_io import read_image, read_image_size, resize_longest_side
from anymask.core.palette import PALETTE
from anymask.core.rle import Rle
from anymask.dataset.described import DatasetPart, DescribedImage, DescribedMask
from anymask.dataset.labelled import check_size
from anymask.dataset.release import encode_release
from anymask.dataset.statistics import count_images

SCORE_SCALE = 200  # scores are kept as whole numbers in a byte, to 0.005
UNKNOWN = 255
_SMALL_SIDE = 320  # of the pictures in the grid
_FACTS = "facts.json"
_COLUMNS = "masks.bin"
_OPACITY = 150  # of 255
# What all browsers show; the rest is written anew.
_SUFFIXES = {b"\xff\xd8\xff": "jpg", b"\x89PNG": "png"}


@dataclass(frozen=True, kw_only=True)
class ViewedImage:
    """What the grid knows of an image; sizes in pixels, `picture` is a file beside the facts."""

    image_id: int
    name: str
    width: int
    height: int
    num_masks: int
    picture: str


@dataclass(frozen=True, kw_only=True, eq=False)
class ViewedPart:
    """What was written of a part.

    Attributes:
        images: in order.
        columns: (3, M) uint8, masks of all images in order: predicted IoU, stability and relative
            size, each times `SCORE_SCALE`, or `UNKNOWN`.
        statistics: as plain JSON data.
        problems: a line for each image that is left out.
    """

    images: tuple[ViewedImage, ...]
    columns: NDArray[np.uint8]
    statistics: dict[str, Any]
    problems: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class PartJob:
    """A part to be written into a folder of its own; `longest_side` limits pictures, in pixels."""

    part: DatasetPart
    folder: Path
    longest_side: int | None = None


def write_part(job: PartJob) -> None:
    """Write a part's folder, whole or not at all; one that is there for the same files stays.

    Raises:
        OutputError: it cannot be written.
    """
    signature = f"{job.part.signature()} {job.longest_side}"
    if _signature_of(job.folder) == signature:
        return
    with tempfile.TemporaryDirectory(prefix=".part-", dir=job.folder.parent) as scratch:
        folder = Path(scratch) / "new"
        folder.mkdir()
        problems: list[str] = []
        images: list[ViewedImage] = []
        columns: list[tuple[int, int, int]] = []

        def written() -> Iterator[DescribedImage]:
            for image in job.part.read(problems.append):
                stem = str(len(images))
                try:
                    images.append(_write_image(image, folder, stem, job.longest_side))
                except (ImageReadError, InvalidInputError) as error:
                    problems.append(f"{image.name}: {error}".rstrip("."))
                    continue
                columns.extend(_bytes_of(mask, image.original_size) for mask in image.masks)
                yield image

        statistics = count_images(written())
        array = np.array(columns, dtype=np.uint8).reshape(-1, 3).T
        write_bytes(folder / _COLUMNS, array.tobytes())
        facts = {
            "signature": signature,
            "images": [asdict(image) for image in images],
            "statistics": statistics.to_json(),
            "problems": problems,
        }
        write_json(folder / _FACTS, facts)
        if job.folder.exists():
            shutil.rmtree(job.folder)
        rename_folder(folder, job.folder)


def read_part(folder: Path) -> ViewedPart:
    """Return what `write_part` wrote there."""
    facts = json.loads((folder / _FACTS).read_bytes())
    columns = np.frombuffer((folder / _COLUMNS).read_bytes(), dtype=np.uint8)
    return ViewedPart(
        images=tuple(ViewedImage(**image) for image in facts["images"]),
        columns=columns.reshape(3, -1),
        statistics=facts["statistics"],
        problems=tuple(facts["problems"]),
    )


def _signature_of(folder: Path) -> str | None:
    try:
        content = json.loads((folder / _FACTS).read_bytes())
        return str(content["signature"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write_image(
    image: DescribedImage, folder: Path, stem: str, longest_side: int | None
) -> ViewedImage:
    try:
        data = image.picture_bytes()
    except OSError as error:
        raise ImageReadError(
            f"picture must be readable, got {error.strerror}. Copy it again."
        ) from error
    check_size(image.name, read_image_size(data), image.original_size)
    small = read_image(data, least_side=_SMALL_SIDE)
    height, width = image.original_size
    picture = f"{stem}.{_write_picture(data, folder / stem, image.original_size, longest_side)}"
    if max(small.shape[:2]) > _SMALL_SIDE:
        small = resize_longest_side(small, _SMALL_SIDE)
    Image.fromarray(small).save(folder / f"{stem}_small.jpg", quality=80)
    overlay = draw_small_masks([mask.segmentation for mask in image.masks], small.shape[:2])
    (folder / f"{stem}_masks.png").write_bytes(overlay)
    annotations = [_annotation(mask) for mask in image.masks]
    (folder / f"{stem}.json").write_text(json.dumps({"annotations": annotations}))
    return ViewedImage(
        image_id=image.image_id,
        name=image.name,
        width=width,
        height=height,
        num_masks=len(image.masks),
        picture=picture,
    )


def _write_picture(data: bytes, stem: Path, size: tuple[int, int], longest_side: int | None) -> str:
    """Write the picture as it is where browsers show it and it is no larger; return its suffix."""
    suffix = next((name for start, name in _SUFFIXES.items() if data.startswith(start)), None)
    is_small = longest_side is None or max(size) <= longest_side
    if suffix is None or not is_small:
        pixels = read_image(data)
        if longest_side is not None and not is_small:
            pixels = resize_longest_side(pixels, longest_side)
        suffix, data = "jpg", encode_release(pixels)
    stem.with_suffix(f".{suffix}").write_bytes(data)
    return suffix


def draw_small_masks(masks: list[Rle], size: tuple[int, ...]) -> bytes:
    """Return masks as a transparent PNG of a smaller size (H, W), small masks on top.

    A mask's colour follows its place in the list, as on the page of its image.
    """
    labels = np.zeros(size, dtype=np.uint8)
    for place, rle in sorted(enumerate(masks), key=lambda item: -item[1].area):
        rows, columns = (
            ((np.arange(shown) + 0.5) * (length / shown)).astype(np.int64)
            for shown, length in zip(size, rle.size, strict=True)
        )
        labels[rle.sample(rows, columns)] = 1 + place % len(PALETTE)
    image = Image.fromarray(labels)
    image.putpalette(bytes([0, 0, 0]) + bytes(value for colour in PALETTE for value in colour))
    output = io.BytesIO()
    opacities = bytes([0]) + bytes([_OPACITY]) * len(PALETTE)
    image.save(output, format="PNG", transparency=opacities, optimize=True)
    return output.getvalue()


def _annotation(mask: DescribedMask) -> dict[str, Any]:
    """A mask with SA-1B's keys and its category; None where nothing is known."""
    return {
        "id": mask.mask_id,
        "bbox": xyxy_to_xywh(mask.segmentation.to_box()).tolist(),
        "area": mask.segmentation.area,
        "segmentation": mask.segmentation.to_coco(),
        "category": mask.category,
        "predicted_iou": mask.predicted_iou,
        "stability_score": mask.stability_score,
        "point_coords": mask.point_coords,
        "crop_box": mask.crop_box,
    }


def _bytes_of(mask: DescribedMask, size: tuple[int, int]) -> tuple[int, int, int]:
    relative_size = (mask.segmentation.area / (size[0] * size[1])) ** 0.5
    return _byte(mask.predicted_iou), _byte(mask.stability_score), _byte(relative_size)


def _byte(value: float | None) -> int:
    if value is None:
        return UNKNOWN
    return min(max(round(value * SCORE_SCALE), 0), UNKNOWN - 1)
