"""The pictures that annotations may be about, found by the names that annotation files use."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from anymask.core.errors import InvalidInputError, NotFoundError
from anymask.core.image_io import read_image_size
from anymask.dataset.photo_folder import PHOTO_SUFFIXES

PICTURE_SUFFIXES = PHOTO_SUFFIXES | {".gif"}


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A picture that annotations may be about.

    Attributes:
        name: of its file, with folders.
        path: of its file, None where it is elsewhere.
        known_size: (H, W) where there is no file.
        digest: tells pictures of one name apart.
    """

    name: str
    path: Path | None = None
    known_size: tuple[int, int] | None = None
    digest: str = ""

    @property
    def size(self) -> tuple[int, int]:
        """(H, W), upright; ImageReadError if the file is no image."""
        if self.known_size is not None:
            return self.known_size
        assert self.path is not None
        return read_image_size(self.path)


class Pictures:
    """Pictures by name.

    Names in annotation files are text to be compared, never paths to be opened: what they can find
    is among these pictures.

    Args:
        pictures: to be looked for first.
        elsewhere: to be looked for if none of those has the name.
    """

    def __init__(self, pictures: Iterable[Picture], elsewhere: "Pictures | None" = None) -> None:
        self._elsewhere = elsewhere
        self._by_stem: dict[str, list[Picture]] = defaultdict(list)
        for picture in pictures:
            self._by_stem[PurePosixPath(picture.name).stem].append(picture)

    def find(self, name: str) -> Picture:
        """Return the picture of that name, by its file name and as many folders as it takes.

        Args:
            name: a path as another machine may have had it, with or without a suffix.

        Raises:
            NotFoundError: there is none.
            InvalidInputError: there are several.
        """
        path = PurePosixPath(name.replace("\\", "/"))
        has_suffix = path.suffix.lower() in PICTURE_SUFFIXES
        named = self._by_stem.get(path.stem if has_suffix else path.name, [])
        if not named and self._elsewhere is not None:
            return self._elsewhere.find(name)
        if not named:
            raise NotFoundError(f"picture {name[:200]!r} must be there, got none. Add its file.")
        best = max(_likeness(picture, path) for picture in named)
        found = list({picture for picture in named if _likeness(picture, path) == best})
        if len(found) > 1:
            names = " and ".join(sorted(picture.name for picture in found)[:2])
            raise InvalidInputError(
                f"picture {name[:200]!r} must be one, got {names}. Rename them or give the folder."
            )
        return found[0]


def _likeness(picture: Picture, path: PurePosixPath) -> tuple[bool, int]:
    """Whether the file's name is the same, and how many folders before it are."""
    own = PurePosixPath(picture.name)
    num_alike = 0
    for one, other in zip(reversed(own.parts[:-1]), reversed(path.parts[:-1]), strict=False):
        if one != other:
            break
        num_alike += 1
    return own.name == path.name, num_alike
