"""Reading annotations of any known format below a folder, told apart by what the files hold."""

import gzip
import json
import os
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from anymask.core.annotated import AnnotatedImage
from anymask.core.errors import InvalidInputError
from anymask.dataset.formats import voc, yolo
from anymask.dataset.formats.coco import read_coco
from anymask.dataset.formats.cvat import read_cvat
from anymask.dataset.formats.labelme import read_labelme
from anymask.dataset.formats.masks import FOLDER as MASK_FOLDER
from anymask.dataset.formats.masks import read_mask_pngs
from anymask.dataset.formats.pictures import PICTURE_SUFFIXES, Picture, Pictures
from anymask.dataset.formats.problems import Problem, problems_of
from anymask.dataset.formats.sa1b import read_sa1b
from anymask.dataset.formats.xml_tree import read_xml
from anymask.dataset.mask_folder import CATEGORY_FILE

# By keys that no other kind has; SA-1B's "image" is one, COCO's "images" many.
_JSON_READERS = (
    ({"images", "annotations"}, read_coco),
    ({"image", "annotations"}, read_sa1b),
    ({"shapes"}, read_labelme),
)
_PNG_FOLDERS = {MASK_FOLDER, voc.OBJECT_FOLDER, voc.CLASS_FOLDER}
# COCO's largest has 470 MB. Once read it takes ten times as much memory.
_MAX_JSON_BYTES = 500_000_000


@dataclass(frozen=True, kw_only=True)
class FoundFiles:
    """What lies below a folder.

    Attributes:
        root: the folder.
        pictures: the picture files, by name.
        annotations: names of files, or folders of PNGs, that may hold annotations, sorted.
    """

    root: Path
    pictures: tuple[Picture, ...]
    annotations: tuple[str, ...]


def find_files(folder: Path) -> FoundFiles:
    """Return the pictures and what may be annotations; nothing is opened, links are not followed.

    Raises:
        InvalidInputError: there is no such folder.
    """
    if not folder.is_dir():
        raise InvalidInputError(f"folder must exist, got {folder}. Check the path.")
    pictures, annotations = [], set()
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for file in sorted(files):
            path = Path(place, file)
            name = path.relative_to(folder).as_posix()
            if file.startswith(".") or path.is_symlink():
                continue
            mask_unit = _mask_unit(PurePosixPath(name))
            if mask_unit is not None:
                annotations.add(mask_unit)
            elif path.suffix.lower() in PICTURE_SUFFIXES:
                pictures.append(Picture(name=name, path=path))
            elif path.suffix.lower() in (".json", ".xml", ".txt") or name.endswith(".json.gz"):
                annotations.add(name)
    return FoundFiles(root=folder, pictures=tuple(pictures), annotations=tuple(sorted(annotations)))


class AnnotationReader:
    """Reads the annotation files of a folder one by one.

    Args:
        found: the files.
        elsewhere: pictures that are not among them; those among them are looked for first.
    """

    def __init__(self, found: FoundFiles, elsewhere: Iterable[Picture] = ()) -> None:
        self._root = found.root
        self._pictures = Pictures(found.pictures, Pictures(elsewhere))
        self._yolo_names: dict[Path | None, dict[int, str]] = {None: {}}
        self._voc_labels: dict[Path | None, voc.LabelMap] = {}

    def read(self, file: str) -> Iterator[AnnotatedImage | Problem]:
        """Yield the images that a file of `FoundFiles.annotations` is about, and what is wrong.

        An image's record has the name of its picture and that picture's size. An image may come
        from several files; masks without pixels may be among its masks.
        """
        with problems_of(file) as problems:
            yield from self._read(file)
        yield from problems

    def _read(self, file: str) -> Iterator[AnnotatedImage | Problem]:
        path, name = self._root / file, PurePosixPath(file)
        if file.endswith((".json", ".json.gz")):
            yield from _read_json(path, file, self._pictures)
        elif name.suffix == ".xml":
            root = read_xml(path)
            if root.tag == "annotations":
                yield from read_cvat(root, file, self._pictures)
            elif root.tag != "annotation":  # VOC's, whose masks are in PNGs
                raise InvalidInputError("XML must be CVAT's or VOC's, got another. Convert it.")
        elif name.suffix == ".txt":
            if _is_yolo(path):
                yield from yolo.read_yolo(path, file, self._names(path), self._pictures)
        elif MASK_FOLDER in name.parts:
            yield from read_mask_pngs(path, file, self._pictures)
        elif voc.OBJECT_FOLDER in name.parts or not voc.object_png(path).is_file():
            yield from voc.read_voc(path, file, self._labels(path), self._pictures)

    def _names(self, path: Path) -> dict[int, str]:
        """What YOLO's numbers mean: the nearest list of names, read once."""
        file = self._nearest(path, yolo.NAME_FILES)
        if file not in self._yolo_names:
            assert file is not None
            self._yolo_names[file] = yolo.read_names(file)
        return self._yolo_names[file]

    def _labels(self, path: Path) -> voc.LabelMap:
        file = self._nearest(path, (voc.LABEL_FILE,))
        if file not in self._voc_labels:
            self._voc_labels[file] = voc.read_label_map(file)
        return self._voc_labels[file]

    def _nearest(self, path: Path, names: tuple[str, ...]) -> Path | None:
        """The first such file beside the path or in a folder above it."""
        for folder in path.parents:
            file = next((folder / name for name in names if (folder / name).is_file()), None)
            if file is not None or folder == self._root:
                return file
        return None


def _mask_unit(name: PurePosixPath) -> str | None:
    """The file or folder of PNGs that has the masks of one picture, if the file is of such."""
    if name.suffix.lower() != ".png":
        return None
    for depth, part in enumerate(name.parts[:-1]):
        if part in (voc.OBJECT_FOLDER, voc.CLASS_FOLDER):
            return str(name)
        if part == MASK_FOLDER:
            return str(PurePosixPath(*name.parts[: depth + 2]))
    return None


def _read_json(path: Path, file: str, pictures: Pictures) -> Iterator[AnnotatedImage | Problem]:
    if path.name == CATEGORY_FILE:
        return
    content = _parse_json(path)
    keys = content.keys() if isinstance(content, dict) else set()
    reader = next((read for needed, read in _JSON_READERS if needed <= keys), None)
    if reader is None:
        raise InvalidInputError(
            "JSON must be COCO's, SA-1B's or LabelMe's, got another. Convert or remove it."
        )
    yield from reader(content, file, pictures)


def _parse_json(path: Path) -> Any:
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as stream:
            raw = stream.read(_MAX_JSON_BYTES + 1)
        if len(raw) > _MAX_JSON_BYTES:
            raise InvalidInputError(
                f"JSON must have at most {_MAX_JSON_BYTES} bytes unpacked, got more. Split it."
            )
        return json.loads(raw)
    except (OSError, EOFError, RecursionError, ValueError, zlib.error) as error:
        if isinstance(error, InvalidInputError):
            raise
        raise InvalidInputError(f"file must be whole JSON, got: {error}. Write it again.") from None


def _is_yolo(path: Path) -> bool:
    """Whether the file's first line is a label; text files may be about anything."""
    if path.name in yolo.NAME_FILES:
        return False
    try:
        with path.open(encoding="utf-8") as stream:
            line = stream.readline(10_000_000)
    except (OSError, UnicodeDecodeError):
        return False
    return yolo.is_label_line(line)
