"""The engine's photos: their files in the studio's blobs, a list of them beside the plan."""

import dataclasses
import hashlib
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from anymask.core.errors import AnymaskError, InvalidInputError
from anymask.core.files import read_json, write_json
from anymask.core.image_io import MAX_PIXELS
from anymask.dataset.photo_folder import Photo
from anymask.engine.store.blobs import Blobs, image_blob
from anymask.engine.store.image_files import check_image
from anymask.engine.store.projects import ImageFile

POOL_FILE = "engine/pool.json"


@dataclass(frozen=True, kw_only=True)
class PhotoProblem:
    """A photo that was not taken, and why."""

    name: str
    text: str


@dataclass(frozen=True, kw_only=True)
class PoolImport:
    """What an import did: how many photos the pool has now, and which were not taken."""

    photos: int
    problems: tuple[PhotoProblem, ...]


def read_pool(folder: Path) -> tuple[ImageFile, ...]:
    """Return the photos in order of their digests, which is as good as random.

    Raises:
        InvalidInputError: the list is damaged.
    """
    file = folder / POOL_FILE
    rows = read_json(file) if file.is_file() else []
    return tuple(ImageFile(**row) for row in rows)


def import_photos(
    folder: Path,
    blobs: Blobs,
    photos: Iterable[Photo],
    held_out: Collection[str] = (),
    on_photo: Callable[[], None] = lambda: None,
) -> PoolImport:
    """Add photos to the pool; each content once, and none that is held out.

    After a break, say the same again.

    Args:
        folder: the studio's.
        blobs: get the files.
        photos: to be added.
        held_out: digests of files that models are compared on.
        on_photo: called after each photo.

    Raises:
        OutputError: the folder cannot be written.
    """
    pool = {file.digest: file for file in read_pool(folder)}
    problems = []
    for photo in photos:
        try:
            file = _take(photo, blobs, pool, held_out)
            pool[file.digest] = file
        except (AnymaskError, OSError) as error:
            problems.append(PhotoProblem(name=photo.name, text=str(error)))
        on_photo()
    rows = [dataclasses.asdict(pool[digest]) for digest in sorted(pool)]
    write_json(folder / POOL_FILE, rows)
    return PoolImport(photos=len(rows), problems=tuple(problems))


def _take(
    photo: Photo, blobs: Blobs, known: dict[str, ImageFile], held_out: Collection[str]
) -> ImageFile:
    data = photo.path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    if digest in held_out:
        raise InvalidInputError(
            f"{photo.name} must not be held out, got one of the photos that models are compared on."
        )
    if digest in known:
        return known[digest]
    file = check_image(data, photo.name, MAX_PIXELS)
    blobs.write(image_blob(digest), data)
    return file
