"""Read SA-1B's files: `sa_N.jpg` beside `sa_N.json`, loose in a folder.

Masks are the truth: box, area and scores of a record are not used, so that its quirks (boxes one
pixel short) do no harm, and files by others that leave them out are read as well.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

from anymask.core.errors import InvalidInputError
from anymask.core.rle import Rle
from anymask.dataset.labelled import (
    LabelledImage,
    LabelledMask,
    check_readable,
    existing_folder,
)
from anymask.dataset.photo_folder import PHOTO_SUFFIXES


class CodedMasks(Sequence[Rle]):
    """Masks that are decoded from their text when they are asked for.

    An image of SA-1B has a hundred, of which a training step draws a few.

    Raises:
        InvalidInputError: on access, a mask is damaged or not of the image's size.
    """

    def __init__(self, segmentations: Sequence[Any], size: tuple[int, int]) -> None:
        self._segmentations = segmentations
        self._size = size
        self._decoded: dict[int, Rle] = {}

    def __len__(self) -> int:
        return len(self._segmentations)

    @overload
    def __getitem__(self, index: int) -> Rle: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Rle]: ...

    def __getitem__(self, index: int | slice) -> Rle | Sequence[Rle]:
        if isinstance(index, slice):
            return [self[i] for i in range(len(self))[index]]
        number = range(len(self))[index]
        if number not in self._decoded:
            self._decoded[number] = self._decode(number)
        return self._decoded[number]

    def _decode(self, number: int) -> Rle:
        try:
            rle = Rle.from_coco(self._segmentations[number])
        except InvalidInputError as error:
            raise InvalidInputError(f"segmentation of annotation {number}: {error}") from None
        if rle.size != self._size:
            raise InvalidInputError(
                f"segmentation of annotation {number} must have its image's size (H, W) "
                f"{self._size}, got {rle.size}. SA-1B writes [height, width]."
            )
        return rle


@dataclass(frozen=True, kw_only=True, eq=False)
class Sa1bRecord:
    """The masks of one image, as its JSON lists them.

    Attributes:
        original_size: (H, W) of the image.
        masks: not decoded yet.
        names: what each shows, "" as in SA-1B itself, which has no categories.
        ids: of the annotations.
    """

    original_size: tuple[int, int]
    masks: CodedMasks
    names: tuple[str, ...]
    ids: tuple[int, ...]


def parse_sa1b(raw: bytes) -> Sa1bRecord:
    """The record of a JSON file's bytes.

    Raises:
        InvalidInputError: not JSON, or not of SA-1B's form; the text does not name the file.
    """
    try:
        content = json.loads(raw)
        image = content["image"]
        size = (int(image["height"]), int(image["width"]))
        # SA-1B itself has no empty masks; other writers do.
        kept = [item for item in content["annotations"] if item.get("area", 1) > 0]
        segmentations = [item["segmentation"] for item in kept]
        ids = tuple(int(item.get("id", i)) for i, item in enumerate(kept))
        names = tuple(str(item.get("category") or "") for item in kept)
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        what = f"no key {error}" if isinstance(error, KeyError) else str(error)
        raise InvalidInputError(
            f"must be SA-1B's JSON (image and annotations), got {what}. Copy or write it again."
        ) from None
    return Sa1bRecord(
        original_size=size, masks=CodedMasks(segmentations, size), names=names, ids=ids
    )


def is_sa1b_folder(folder: Path) -> bool:
    """Whether the folder holds an image and a JSON of one name."""
    return any(True for _ in pairs_of_folder(folder))


def read_sa1b_folder(folder: str | Path) -> tuple[LabelledImage, ...]:
    """Return the folder's photographs sorted by name, each with its masks.

    An image without a JSON has no labels and is left out. All masks are held in memory as run
    lengths, some 0.3 MB an image of SA-1B: a few ten thousand images; more are better streamed
    from archives (`shard_stream`).

    Raises:
        InvalidInputError: no such folder, no masks, a JSON is damaged, has no image, or a mask or
            image has another size.
        ImageReadError: an image file is damaged.
    """
    folder = existing_folder(folder)
    pairs = dict(pairs_of_folder(folder))
    alone = sorted(file for file in folder.glob("*.json") if file not in pairs)
    if alone:
        raise InvalidInputError(
            f"{alone[0]} must have an image of its name beside it, got none ({len(alone)} such "
            "files). Copy the image there or remove the JSON."
        )
    images = [_read_pair(i + 1, path, file) for i, (file, path) in enumerate(sorted(pairs.items()))]
    if not any(image.masks for image in images):
        raise InvalidInputError(
            f"{folder} must hold images with masks, got {len(images)} images and no mask. "
            "Check that the export was complete."
        )
    check_readable(images)
    return tuple(images)


def pairs_of_folder(folder: Path) -> Iterator[tuple[Path, Path]]:
    """Yield each JSON of a folder with the image of its name, in no order."""
    photos: Mapping[str, Path] = {
        file.stem: file for file in folder.iterdir() if file.suffix.lower() in PHOTO_SUFFIXES
    }
    for file in folder.glob("*.json"):
        if file.stem in photos:
            yield file, photos[file.stem]


def _read_pair(image_id: int, path: Path, file: Path) -> LabelledImage:
    try:
        record = parse_sa1b(file.read_bytes())
        rows = zip(record.ids, record.masks, record.names, strict=True)
        masks = tuple(
            LabelledMask(annotation_id=number, rle=rle, category=name)
            for number, rle, name in rows
            if rle.area > 0
        )
    except InvalidInputError as error:
        raise InvalidInputError(f"{file}: {error}") from None
    return LabelledImage(
        image_id=image_id, path=path, original_size=record.original_size, masks=masks
    )
