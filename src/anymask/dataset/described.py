"""Any data set as parts that processes read side by side, each image with what is known of it."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeVar

from anymask.core.errors import InvalidInputError
from anymask.core.records import Box, ImageRecord, MaskRecord, parse_records
from anymask.core.rle import Rle
from anymask.dataset.archive_file import is_url
from anymask.dataset.labelled import LabelledImage
from anymask.dataset.sa1b import is_sa1b_folder, pairs_of_folder
from anymask.dataset.sets import find_sets, read_set
from anymask.dataset.shards import find_shards, read_pairs

IMAGES_PER_PART = 64
_Item = TypeVar("_Item")


@dataclass(frozen=True, kw_only=True, eq=False)
class DescribedMask:
    """A mask with what its data set says of it; None or "" where it says nothing.

    Attributes:
        mask_id: its number in the data set's files.
        segmentation: at the image's size, with at least one pixel.
        category: what it shows.
        predicted_iou: the model's own estimate of the mask's quality.
        stability_score: IoU of the mask at a higher and a lower threshold.
        point_coords: the xy points that were the prompt, in pixels of the image.
        crop_box: x, y, width, height of the crop that a generator segmented.
    """

    mask_id: int
    segmentation: Rle
    category: str = ""
    predicted_iou: float | None = None
    stability_score: float | None = None
    point_coords: tuple[tuple[float, float], ...] = ()
    crop_box: Box | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class DescribedImage:
    """An image, still as its file, with its masks.

    Attributes:
        image_id: its number in the data set's files.
        name: of its file, never to be opened as it is.
        original_size: (H, W) of image and masks.
        picture: the file, or where it is.
        masks: without the empty ones.
    """

    image_id: int
    name: str
    original_size: tuple[int, int]
    picture: bytes | Path
    masks: tuple[DescribedMask, ...]

    def picture_bytes(self) -> bytes:
        """The image file; OSError when it is gone."""
        return self.picture if isinstance(self.picture, bytes) else self.picture.read_bytes()


@dataclass(frozen=True, kw_only=True, eq=False)
class DatasetPart:
    """Images that are read together; one of the three is given. It can be sent to a process.

    Attributes:
        shard: path or URL of an archive.
        files: JSON files of SA-1B's form, each with its image.
        labelled: images of another layout, whose annotations are in memory.
    """

    shard: str | None = None
    files: tuple[tuple[Path, Path], ...] = ()
    labelled: tuple[LabelledImage, ...] = ()

    def signature(self) -> str:
        """A hash that changes when the part's files on the disk do; of a URL only its text."""
        digest = hashlib.sha256()
        paths = [path for pair in self.files for path in pair]
        if self.shard is not None:
            digest.update(self.shard.encode())
            paths += [] if is_url(self.shard) else [Path(self.shard)]
        for image in self.labelled:
            paths.append(image.path)
            for mask in image.masks:
                digest.update(f"{mask.annotation_id}\0{mask.category}\0".encode())
                with suppress(InvalidInputError):  # damaged, which reading tells
                    digest.update(mask.rle.counts.tobytes())
        for path in paths:
            status = path.stat()
            digest.update(f"{path}\0{status.st_size}\0{status.st_mtime_ns}\0".encode())
        return digest.hexdigest()

    def read(self, set_aside: Callable[[str], None]) -> Iterator[DescribedImage]:
        """The part's images one after another; `set_aside` is told, in a line, of damaged ones.

        Raises:
            DownloadError: an archive cannot be read after all retries.
        """
        if self.shard is not None:
            for pair in read_pairs(self.shard, set_aside=set_aside):
                assert pair is not None  # as all are wanted
                name = PurePosixPath(pair.name).name
                yield from _recorded(pair.record, pair.image, name, pair.label, set_aside)
        for file, path in self.files:
            yield from _recorded(file.read_bytes(), path, path.name, str(file), set_aside)
        for image in self.labelled:
            try:
                yield _labelled(image)
            except InvalidInputError as error:  # masks are decoded only now
                set_aside(f"{image.path}: {error}".rstrip("."))


def find_parts(source: str | Path) -> tuple[DatasetPart, ...]:
    """Return the parts of a data set, in order, whatever its layout.

    Archives are parts as they are; of folders, where all images are listed at once, a part has
    `IMAGES_PER_PART`.

    Args:
        source: what `find_shards` takes; a folder of `sa_N.jpg` with `sa_N.json`; or labelled sets
            as `find_sets` finds them.

    Raises:
        InvalidInputError: none of these is there, or the annotations of a labelled set are damaged.
        DownloadError: a list of archives cannot be read.
    """
    shards = find_shards(source)
    if shards:
        return tuple(DatasetPart(shard=shard) for shard in shards)
    folder = Path(source)
    if folder.is_dir() and is_sa1b_folder(folder):
        pairs = sorted(pairs_of_folder(folder))
        return tuple(DatasetPart(files=tuple(some)) for some in _batches(pairs))
    images = [image for path in find_sets(source).values() for image in read_set(path)]
    return tuple(DatasetPart(labelled=tuple(some)) for some in _batches(images))


def _batches(items: Sequence[_Item]) -> Iterator[Sequence[_Item]]:
    for first in range(0, len(items), IMAGES_PER_PART):
        yield items[first : first + IMAGES_PER_PART]


def _recorded(
    record: bytes,
    picture: bytes | Path,
    name: str,
    label: str,
    set_aside: Callable[[str], None],
) -> Iterator[DescribedImage]:
    """The image of a JSON file, unless that is damaged."""
    try:
        image, masks = parse_records(record, label)
    except InvalidInputError as error:
        set_aside(str(error).rstrip("."))
        return
    yield _described(image, masks, picture, name)


def _described(
    image: ImageRecord, masks: Sequence[MaskRecord], picture: bytes | Path, name: str
) -> DescribedImage:
    return DescribedImage(
        image_id=image.image_id,
        name=name,
        original_size=(image.height, image.width),
        picture=picture,
        masks=tuple(
            DescribedMask(
                mask_id=mask.id,
                segmentation=mask.segmentation,
                # Records must say a number: 0 is that of masks which nobody estimated.
                predicted_iou=mask.predicted_iou or None,
                stability_score=mask.stability_score or None,
                point_coords=mask.point_coords,
                crop_box=mask.crop_box if mask.stability_score else None,
            )
            for mask in masks
            if mask.segmentation.area
        ),
    )


def _labelled(image: LabelledImage) -> DescribedImage:
    return DescribedImage(
        image_id=image.image_id,
        name=image.path.name,
        original_size=image.original_size,
        picture=image.path,
        masks=tuple(
            DescribedMask(mask_id=mask.annotation_id, segmentation=mask.rle, category=mask.category)
            for mask in image.masks
            if mask.rle.area
        ),
    )
