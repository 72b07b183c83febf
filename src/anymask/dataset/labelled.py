"""What every reader gives: photographs, not yet opened, with their target masks."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from anymask.core.errors import InvalidInputError
from anymask.core.image_io import read_image_size
from anymask.core.rle import Rle


@dataclass(frozen=True, kw_only=True)
class LabelledMask:
    """One target mask of a photograph; `rle` is at the photograph's size and decoded on demand.

    `category` is what it shows, "" where the data do not say.
    """

    annotation_id: int
    rle: Rle
    category: str


@dataclass(frozen=True, kw_only=True)
class LabelledImage:
    """One photograph, not yet opened, with its target masks; `original_size` is (H, W)."""

    image_id: int
    path: Path
    original_size: tuple[int, int]
    masks: tuple[LabelledMask, ...]


def check_readable(images: Iterable[LabelledImage]) -> None:
    """Makes sure, from the headers of the files, that masks and images are of one size.

    Raises:
        ImageReadError: a file is not an image.
        InvalidInputError: an image has another size than its masks.
    """
    for image in images:
        check_size(str(image.path), read_image_size(image.path), image.original_size)


def check_size(name: str, size: tuple[int, int], mask_size: tuple[int, int]) -> None:
    """Makes sure that an upright image is of its masks' size, (H, W) both.

    Raises:
        InvalidInputError: it is not; the text names the image.
    """
    if tuple(size) != tuple(mask_size):
        raise InvalidInputError(
            f"{name} must have the size (H, W) of its masks, {tuple(mask_size)}, got {size}. "
            "Encode the masks at the size of the image file, turned upright by its EXIF tag."
        )


def existing_folder(folder: str | Path) -> Path:
    """The folder as a path.

    Raises:
        InvalidInputError: there is no such folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InvalidInputError(
            f"data folder must be an existing folder, got {folder}. Check the path."
        )
    return folder
