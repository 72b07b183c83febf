"""What can be released: photographs of labelled sets with the full records of their masks."""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from anymask.core.errors import InvalidInputError
from anymask.core.records import MaskRecord, read_records
from anymask.dataset.labelled import LabelledImage, existing_folder
from anymask.dataset.photo_folder import PHOTO_SUFFIXES
from anymask.dataset.sa1b import pairs_of_folder
from anymask.dataset.sets import find_sets, read_set


@dataclass(frozen=True, kw_only=True)
class ReleaseSource:
    """A photograph, not yet opened, and how to get its masks.

    Attributes:
        path: of the photograph.
        read_masks: gives their records, in pixels of the upright photograph; may raise
            InvalidInputError. It can be pickled.
        masks_sha256: changes when the masks do.
    """

    path: Path
    read_masks: Callable[[], tuple[MaskRecord, ...]]
    masks_sha256: str


def read_release_sources(
    source: str | Path, photos: str | Path | None = None
) -> tuple[ReleaseSource, ...]:
    """Return the photographs of all sets at or below `source`, in the order of sets and files.

    SA-1B's JSON gives all its fields, and is read when an image's turn comes. Of other sets a mask
    is all there is: see `MaskRecord.without_generator`; photographs without masks, of which
    nobody said that nothing is in them, are left out.

    Args:
        source: as `find_sets` takes it; or a folder of SA-1B's JSON only.
        photos: where the photographs that such JSON names are, if they are elsewhere.

    Raises:
        InvalidInputError: nothing of a known layout is there, or a photograph is missing.
        ImageReadError: an image file is damaged.
    """
    if photos is not None:
        return tuple(_recorded(pair) for pair in _apart(Path(source), existing_folder(photos)))
    found: list[ReleaseSource] = []
    for path in find_sets(source).values():
        pairs = sorted(pairs_of_folder(path)) if path.is_dir() else []
        if pairs:
            found += [_recorded(pair) for pair in pairs]
        else:
            labelled = sorted(read_set(path), key=lambda image: image.path)
            found += [_labelled(image) for image in labelled if image.masks]
    return tuple(found)


def _recorded(pair: tuple[Path, Path]) -> ReleaseSource:
    file, path = pair
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    return ReleaseSource(path=path, read_masks=partial(_masks_of_file, file), masks_sha256=digest)


def _labelled(image: LabelledImage) -> ReleaseSource:
    digest = hashlib.sha256()
    for mask in image.masks:
        digest.update(mask.rle.counts.tobytes())
    return ReleaseSource(
        path=image.path,
        read_masks=partial(_masks_of_labels, image),
        masks_sha256=digest.hexdigest(),
    )


def _masks_of_file(file: Path) -> tuple[MaskRecord, ...]:
    return tuple(read_records(file)[1])


def _masks_of_labels(image: LabelledImage) -> tuple[MaskRecord, ...]:
    return tuple(
        MaskRecord.without_generator(mask.rle, id=place) for place, mask in enumerate(image.masks)
    )


def _apart(folder: Path, photos: Path) -> Iterator[tuple[Path, Path]]:
    """Each JSON of a folder with the photograph of that name, or the one that it names."""
    by_stem = {p.stem: p for p in photos.iterdir() if p.suffix.lower() in PHOTO_SUFFIXES}
    files = sorted(existing_folder(folder).glob("*.json"))
    if not files:
        raise InvalidInputError(f"source must hold SA-1B's JSON, got none in {folder}. Check it.")
    for file in files:
        if file.stem not in by_stem:
            raise InvalidInputError(
                f"{file} must have a photograph of its name in {photos}, got none. Copy it there."
            )
        yield file, by_stem[file.stem]
