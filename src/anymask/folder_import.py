"""A folder of pictures and annotations, brought into a project of a studio; can be repeated."""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from anymask.client import Client
from anymask.core.annotated import AnnotatedImage, AnnotatedMask
from anymask.core.errors import AccessError, AnymaskError, DownloadError
from anymask.dataset.formats.pictures import Picture
from anymask.dataset.formats.problems import Problem
from anymask.dataset.formats.reading import AnnotationReader, FoundFiles, find_files

_MASKS_AT_ONCE = 200
_TEXT_AT_ONCE = 4_000_000


@dataclass(frozen=True, kw_only=True)
class FolderImport:
    """What an import did: pictures that are in the project, masks that were new, problems."""

    images: int
    masks: int
    problems: tuple[Problem, ...]


def import_folder(
    client: Client,
    project_id: int,
    folder: str | Path,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> FolderImport:
    """Bring the pictures below a folder, and the masks of its annotation files, into a project.

    Annotations of any known format are told by what they hold. What is in the project already is
    not sent or stored again: after a break, run it again. A file that cannot be used is told at
    the end and stops nothing.

    Args:
        client: of an admin.
        project_id: into which project.
        folder: with pictures, annotations (which may be about pictures in the project), or both.
        on_progress: gets how many files of how many are done.

    Raises:
        InvalidInputError: there is no such folder.
        AccessError: the client is no admin's.
        DownloadError: the server does not answer.
    """
    found = find_files(Path(folder))
    run = _Run(client, project_id, found)
    total = len(found.pictures) + len(found.annotations)
    for done, _ in enumerate(run.steps(), 1):
        on_progress(done, total)
    return FolderImport(images=len(run.digests), masks=run.num_masks, problems=tuple(run.problems))


class _Run:
    """One import as it goes on."""

    def __init__(self, client: Client, project_id: int, found: FoundFiles) -> None:
        self._client = client
        self._project_id = project_id
        self._found = found
        self.digests: dict[str, str] = {}
        self.problems: list[Problem] = []
        self.num_masks = 0

    def steps(self) -> Iterator[None]:
        """Import file by file."""
        known = {image.digest for image in self._client.images(self._project_id)}
        for picture in self._found.pictures:
            self._send_picture(picture, known)
            yield
        ids: dict[str, list[int]] = defaultdict(list)
        elsewhere = []
        for image in self._client.images(self._project_id):
            # Several, where several people annotate a picture.
            ids[image.digest].append(image.id)
            size = (image.height, image.width)
            elsewhere.append(Picture(name=image.name, known_size=size, digest=image.digest))
        digests = {picture.name: picture.digest for picture in elsewhere} | self.digests
        reader = AnnotationReader(self._found, elsewhere)
        for file in self._found.annotations:
            for read in reader.read(file):
                if isinstance(read, Problem):
                    self.problems.append(read)
                elif read.image.file_name in digests:
                    self._send_masks(file, read, ids[digests[read.image.file_name]])
            yield

    def _send_picture(self, picture: Picture, known: set[str]) -> None:
        assert picture.path is not None
        try:
            with picture.path.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()
            if digest not in known:
                self._client.add_image(self._project_id, picture.path)
            self.digests[picture.name] = digest
        except (AccessError, DownloadError):
            raise
        except (AnymaskError, OSError) as error:
            self.problems.append(Problem(file=picture.name, text=str(error)))

    def _send_masks(self, file: str, read: AnnotatedImage, image_ids: Sequence[int]) -> None:
        masks = [mask for mask in read.masks if mask.segmentation.area]
        for image_id in image_ids:
            try:
                for part in _parts(masks):
                    self.num_masks += self._client.add_masks(image_id, part)
            except (AccessError, DownloadError):
                raise
            except AnymaskError as error:
                where = f"{file}, {read.image.file_name}"
                self.problems.append(Problem(file=where, text=str(error)))


def _parts(masks: Sequence[AnnotatedMask]) -> Iterator[list[AnnotatedMask]]:
    """The masks in requests that no server refuses as too long."""
    part: list[AnnotatedMask] = []
    length = 0
    for mask in masks:
        text = len(mask.segmentation.to_coco()["counts"])
        if part and (len(part) == _MASKS_AT_ONCE or length + text > _TEXT_AT_ONCE):
            yield part
            part, length = [], 0
        part.append(mask)
        length += text
    if part:
        yield part
