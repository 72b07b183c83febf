"""Which labelled photos a simulation starts from, annotates, and compares models on."""

import hashlib
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from anymask.core.annotated import AnnotatedImage, AnnotatedMask
from anymask.core.errors import InvalidInputError
from anymask.core.files import atomic_write, rename_folder
from anymask.core.records import ImageRecord
from anymask.core.rle import Rle
from anymask.dataset.formats.coco import FILE, coco_pieces
from anymask.dataset.labelled import LabelledImage
from anymask.dataset.place_random import unit_hash
from anymask.dataset.sets import find_sets, read_set


@dataclass(frozen=True, kw_only=True)
class KnownPhoto:
    """A photo whose objects are known; `digest` is the SHA-256 of its file."""

    digest: str
    set_name: str
    image: LabelledImage

    @property
    def truth(self) -> tuple[Rle, ...]:
        """Its objects."""
        return tuple(mask.rle for mask in self.image.masks)


def set_folders(folder: Path, names: Sequence[str]) -> dict[str, Path]:
    """Return the named sets below a folder.

    Raises:
        InvalidInputError: there is no set of a name; the text lists those that there are.
    """
    found = find_sets(folder)
    missing = [name for name in names if name not in found]
    if missing:
        raise InvalidInputError(
            f"sets must be among those in {folder}, got {', '.join(missing)}. There are: "
            f"{', '.join(found)}."
        )
    return {name: found[name] for name in names}


def read_known_photos(sets: dict[str, Path]) -> tuple[KnownPhoto, ...]:
    """Return the photos of the sets that have masks, each content once.

    Raises:
        InvalidInputError, ImageReadError: a set cannot be read.
    """
    photos: dict[str, KnownPhoto] = {}
    for name, path in sets.items():
        for image in read_set(path):
            if image.masks:
                digest = hashlib.sha256(image.path.read_bytes()).hexdigest()
                photos.setdefault(digest, KnownPhoto(digest=digest, set_name=name, image=image))
    return tuple(photos.values())


def is_held_out(photo: KnownPhoto, fraction: float) -> bool:
    """Return whether the photo is for comparisons only: a hash of its content says so."""
    return unit_hash(photo.digest) < fraction


def write_sets(photos: Iterable[KnownPhoto], folder: Path) -> Path:
    """Write photos and masks below `folder` as a COCO set for each of their sets; nothing if there.

    Raises:
        OutputError: no room.
    """
    if folder.exists():
        return folder
    building = folder.with_name(f"{folder.name}.building")
    shutil.rmtree(building, ignore_errors=True)  # of a run that was killed
    by_set: dict[str, list[KnownPhoto]] = {}
    for photo in photos:
        by_set.setdefault(photo.set_name, []).append(photo)
    for name, members in by_set.items():
        (building / name / "images").mkdir(parents=True)
        for photo in members:
            shutil.copy(photo.image.path, building / name / "images" / photo.image.path.name)
        with atomic_write(building / name / FILE) as stream:
            stream.writelines(coco_pieces(map(_annotated, members), "anymask engine simulate"))
    rename_folder(building, folder)
    return folder


def _annotated(photo: KnownPhoto) -> AnnotatedImage:
    height, width = photo.image.original_size
    record = ImageRecord(
        image_id=photo.image.image_id,
        width=width,
        height=height,
        file_name=photo.image.path.name,
    )
    masks = (AnnotatedMask(segmentation=m.rle, name=m.category) for m in photo.image.masks)
    return AnnotatedImage(image=record, masks=tuple(masks))
