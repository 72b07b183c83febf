"""Find photographs without labels: any folders of images, searched to the bottom."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from anymask.core.errors import InvalidInputError

PHOTO_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp"})


@dataclass(frozen=True, kw_only=True, slots=True)  # there may be millions
class Photo:
    """A file that should be a photograph; `name` is its path below the folder that was searched."""

    path: Path
    name: str


def find_photos(folders: Sequence[str | Path]) -> tuple[Photo, ...]:
    """Return the image files below the folders, by name, each once; none is opened.

    Hidden files and folders are passed over; links to folders are followed, once each.

    Raises:
        InvalidInputError: a folder is missing, or there is no image in any of them.
    """
    found: dict[str, Photo] = {}  # by real path
    for folder in folders:
        root = Path(folder)
        if not root.is_dir():
            raise InvalidInputError(
                f"photo folder must be an existing folder, got {root}. Check the path."
            )
        for real, photo in sorted(_below(root), key=lambda pair: pair[1].name):
            found.setdefault(real, photo)
    if not found:
        names = ", ".join(str(folder) for folder in folders)
        raise InvalidInputError(
            f"photo folders must hold images ({', '.join(sorted(PHOTO_SUFFIXES))}), "
            f"got none in {names}. Check the path."
        )
    return tuple(found.values())


def _below(root: Path) -> Iterator[tuple[str, Photo]]:
    """The images below the folder with the files that they really are."""
    walked: set[str] = set()
    for place, folders, files in os.walk(root, followlinks=True):
        real = os.path.realpath(place)
        # A link may lead back up, or to a folder that was searched already.
        folders[:] = [] if real in walked else [n for n in folders if not n.startswith(".")]
        if real in walked:
            continue
        walked.add(real)
        for file in files:
            if Path(file).suffix.lower() in PHOTO_SUFFIXES and not file.startswith("."):
                path = Path(place) / file
                file_itself = os.path.realpath(path) if path.is_symlink() else f"{real}/{file}"
                yield file_itself, Photo(path=path, name=path.relative_to(root).as_posix())
