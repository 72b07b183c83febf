"""Where the masks of a rating study come from: annotation files, or data sets, of each source."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from anymask.core.annotated import AnnotatedMask
from anymask.core.errors import InvalidInputError
from anymask.dataset.formats.pictures import Picture
from anymask.dataset.formats.problems import Problem
from anymask.dataset.formats.reading import AnnotationReader, find_files
from anymask.dataset.place_random import unit_hash
from anymask.dataset.recorded import iter_dataset
from anymask.dataset.shards import find_shards
from anymask.engine.store.agreement import match_masks

LEAST_AREA = 24**2
"""App. E: smaller masks are not rated."""

Masks = Mapping[str, Sequence[AnnotatedMask]]
"""An image's masks by the stem of its file's name."""


@dataclass(frozen=True, kw_only=True)
class RatedObject:
    """One object on one image, and each source's mask of it; a source may have none.

    Attributes:
        stem: of the image file's name.
        key: of the object on its image.
        masks: by source.
        points: xy that asked for the object, if known.
    """

    stem: str
    key: str
    masks: Mapping[str, AnnotatedMask]
    points: tuple[tuple[float, float], ...]


def read_source(path: str | Path, pictures: Sequence[Picture]) -> dict[str, list[AnnotatedMask]]:
    """Return a source's masks by the stem of their image's name.

    Args:
        path: archives, as of `find_shards`, or a folder with annotation files of any known format.
        pictures: that annotation files may be about.

    Raises:
        InvalidInputError: nothing is there, or something in it is damaged.
    """
    found: dict[str, list[AnnotatedMask]] = {}
    if find_shards(path):
        for pair, _, records in iter_dataset(path):
            found[PurePosixPath(pair.name).stem] = [
                AnnotatedMask(
                    segmentation=record.segmentation,
                    point_coords=record.point_coords,
                    id=str(record.id),
                )
                for record in records
            ]
        return found
    files = find_files(Path(path))
    reader = AnnotationReader(files, pictures)
    for file in files.annotations:
        for image in reader.read(file):
            if isinstance(image, Problem):
                raise InvalidInputError(f"{image.file}: {image.text}")
            found.setdefault(PurePosixPath(image.image.file_name).stem, []).extend(image.masks)
    if not found:
        raise InvalidInputError(
            f"source must have annotations of known pictures, got none in {path}. Check the path."
        )
    return found


def match_sources(
    sources: Mapping[str, Masks], *, count: int, seed: int, by_id: bool = False
) -> tuple[RatedObject, ...]:
    """Return random objects of the first source with every other source's mask of each.

    A mask is of the object if both have one id, or by IoU: the pairing of an image's masks with
    the highest sum, of pairs of at least 0.5. Objects whose mask in the first source is smaller
    than `LEAST_AREA` are left out.

    Args:
        sources: by name; the first says which objects there are.
        count: of objects, at most.
        seed: of the choice.
        by_id: match by ids, such as those of one prompt, rather than by IoU.

    Raises:
        InvalidInputError: no source is given, or no object is large enough.
    """
    if not sources:
        raise InvalidInputError("sources must be at least one, got none. Name one.")
    first, *others = sources
    objects = []
    for stem, masks in sources[first].items():
        found = [{first: mask} for mask in masks]
        for other in others:
            theirs = sources[other].get(stem, ())
            pairs = _same_ids(masks, theirs) if by_id else _overlapping(masks, theirs)
            for own, matched in pairs:
                found[own][other] = theirs[matched]
        objects += [
            RatedObject(
                stem=stem, key=str(place), masks=of_source, points=masks[place].point_coords
            )
            for place, of_source in enumerate(found)
            if masks[place].segmentation.area >= LEAST_AREA and not masks[place].is_crowd
        ]
    if not objects:
        raise InvalidInputError(
            f"{first} must have masks of at least {LEAST_AREA} pixels, got none. Check the source."
        )
    objects.sort(key=lambda one: unit_hash(f"{seed}/{one.stem}/{one.key}"))
    return tuple(objects[:count])


def _same_ids(
    own: Sequence[AnnotatedMask], theirs: Sequence[AnnotatedMask]
) -> list[tuple[int, int]]:
    places = {mask.id: place for place, mask in enumerate(theirs) if mask.id}
    return [(i, places[mask.id]) for i, mask in enumerate(own) if mask.id in places]


def _overlapping(
    own: Sequence[AnnotatedMask], theirs: Sequence[AnnotatedMask]
) -> list[tuple[int, int]]:
    matches = match_masks([mask.segmentation for mask in own], [m.segmentation for m in theirs])
    return [(i, j) for i, j, _ in matches]
