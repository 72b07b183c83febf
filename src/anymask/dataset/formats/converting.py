"""A folder of annotations in any known format, written anew in another."""

import dataclasses
import os
import shutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from anymask.core.annotated import AnnotatedImage
from anymask.core.errors import InvalidInputError, OutputError
from anymask.core.files import atomic_write
from anymask.dataset.formats.problems import Problem
from anymask.dataset.formats.reading import AnnotationReader, FoundFiles, find_files
from anymask.dataset.formats.registry import get_format
from anymask.dataset.formats.written import WrittenFile


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """What was written, and what could not be read."""

    images: int
    masks: int
    problems: tuple[Problem, ...]


def convert(
    source: str | Path,
    output: str | Path,
    format_name: str,
    *,
    with_pictures: bool = False,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Conversion:
    """Write the masks of all annotation files below `source` into the new folder `output`.

    All masks are held in memory, as run lengths. Masks without pixels are left out.

    Args:
        source: of annotations and their pictures, in any mixture of formats.
        output: that is not there yet, or empty.
        format_name: a name of `FORMATS`.
        with_pictures: copy the pictures to where the format has them.
        on_progress: gets how many annotation files of how many are read.

    Raises:
        UnknownNameError: no such format.
        InvalidInputError: there is no such source, or nothing in it could be read.
        OutputError: the output is not empty or cannot be written.
    """
    format = get_format(format_name)
    found = find_files(Path(source))
    images, problems = _read(found, on_progress)
    if not images:
        told = f" ({problems[0].file}: {problems[0].text})" if problems else ""
        raise InvalidInputError(
            f"source must hold annotations of a known format, got none in {source}{told}. "
            "Point at the folder of pictures and annotations."
        )
    folder = new_folder(Path(output))
    paths = {picture.name: picture.path for picture in found.pictures}
    named = _without_common_folder(images)
    write_files(format.write(named.values(), PurePosixPath(source).name), folder)
    if with_pictures:
        for name, image in named.items():
            target = folder / format.picture_folder / image.image.file_name
            target.parent.mkdir(parents=True, exist_ok=True)
            path = paths[name]
            assert path is not None
            shutil.copyfile(path, target)
    return Conversion(
        images=len(images),
        masks=sum(len(image.masks) for image in images.values()),
        problems=tuple(problems),
    )


def _read(
    found: FoundFiles, on_progress: Callable[[int, int], None]
) -> tuple[dict[str, AnnotatedImage], list[Problem]]:
    """The images by the names of their pictures, each with the masks of all files about it."""
    images: dict[str, AnnotatedImage] = {}
    problems = []
    reader = AnnotationReader(found)
    for done, file in enumerate(found.annotations):
        on_progress(done, len(found.annotations))
        for read in reader.read(file):
            if isinstance(read, Problem):
                problems.append(read)
                continue
            known = images.get(read.image.file_name, read)
            earlier = known.masks if known is not read else ()
            masks = (*earlier, *(mask for mask in read.masks if mask.segmentation.area))
            images[read.image.file_name] = dataclasses.replace(known, masks=masks)
    on_progress(len(found.annotations), len(found.annotations))
    return images, problems


def _without_common_folder(images: dict[str, AnnotatedImage]) -> dict[str, AnnotatedImage]:
    """The images named from the deepest folder that holds all of them, numbered from 1."""
    common = os.path.commonpath([PurePosixPath(name).parent for name in images])
    named: dict[str, AnnotatedImage] = {}
    stems: dict[str, str] = {}
    for number, (name, image) in enumerate(images.items(), 1):
        path = PurePosixPath(name).relative_to(common)
        other = stems.setdefault(str(path.with_suffix("")), name)
        if other != name:
            raise InvalidInputError(
                f"pictures must differ in more than their suffix, got {other} and {name}. "
                "Rename one and its annotations."
            )
        record = dataclasses.replace(image.image, image_id=number, file_name=str(path))
        named[name] = dataclasses.replace(image, image=record)
    return named


def new_folder(folder: Path) -> Path:
    """Return the folder, made if it was not there; OutputError if it is not empty or writable."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        is_empty = not any(folder.iterdir())
    except OSError as error:
        raise OutputError(
            f"output folder {folder} must be writable, got: {error.strerror}. Choose another."
        ) from error
    if not is_empty:
        raise OutputError(f"output folder must be new or empty, got {folder}. Choose another.")
    return folder


def write_files(files: Iterable[WrittenFile], folder: Path) -> None:
    """Write files below the folder as they come; OutputError says why not."""
    for file in files:
        path = folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as stream:
            for piece in file.pieces:
                stream.write(piece)
