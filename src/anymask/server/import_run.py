"""One import: an uploaded archive's pictures and masks, file by file into a project."""

import dataclasses
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from anymask.core.annotated import AnnotatedImage
from anymask.core.errors import AnymaskError, InvalidInputError
from anymask.dataset.formats.pictures import Picture
from anymask.dataset.formats.problems import Problem
from anymask.dataset.formats.reading import AnnotationReader, FoundFiles, find_files
from anymask.engine.store import projects
from anymask.engine.store.imports import import_masks, list_copies
from anymask.engine.store.tables import User
from anymask.server.archives import UnpackLimits, is_zip, unpack
from anymask.server.studio import Studio
from anymask.server.uploads import keep_image

UPLOAD, FILES = "upload", "files"
_WRITE_SECONDS = 0.5
_MAX_PROBLEMS = 1000
_PAGE = 1000


@dataclass(frozen=True, kw_only=True)
class ImportState:
    """How far an import has come.

    Attributes:
        id: of the import.
        project_id: into which project.
        user_id: who imports; the author of its masks.
        name: of the uploaded file.
        status: done also if some files could not be read; failed if none could be looked at.
        done: pictures and annotation files that were gone through.
        total: how many there are; 0 as long as that is not known.
        images: pictures that are in the project now, new or known.
        masks: that were added.
        problems: the first thousand files that could not be taken, and why.
        num_problems: how many there are in all.
        created_at: seconds since 1970.
    """

    id: str
    project_id: int
    user_id: int
    name: str
    status: Literal["waiting", "running", "done", "failed"] = "waiting"
    done: int = 0
    total: int = 0
    images: int = 0
    masks: int = 0
    problems: tuple[Problem, ...] = ()
    num_problems: int = 0
    created_at: float

    @classmethod
    def from_json(cls, value: Any) -> "ImportState":
        """Return the state of plain JSON data that we wrote."""
        problems = tuple(Problem(**problem) for problem in value.pop("problems"))
        return cls(problems=problems, **value)


class ImportRun:
    """An import as it goes on.

    Args:
        studio: into whose project.
        folder: with the upload; is worked in.
        state: of the import so far; it begins anew, and finds again what it had done.
        is_closing: set when it should stop.
    """

    def __init__(
        self, studio: Studio, folder: Path, state: ImportState, is_closing: threading.Event
    ) -> None:
        self.state = dataclasses.replace(
            state, status="running", done=0, images=0, masks=0, problems=(), num_problems=0
        )
        self._studio = studio
        self._folder = folder
        self._is_closing = is_closing

    def states(self) -> Iterator[ImportState]:
        """Import, and yield the state from time to time and at the end; stop when closing.

        Raises:
            InvalidInputError: the upload is no whole archive, or holds too much.
            OSError: the disk is full.
        """
        files = self._unpacked()
        self._set(total=len(files.pictures) + len(files.annotations))
        told_at = time.monotonic() - _WRITE_SECONDS
        for done in self._steps(files):
            self._set(done=done)
            if time.monotonic() - told_at > _WRITE_SECONDS:
                told_at = time.monotonic()
                yield self.state
            if self._is_closing.is_set():
                yield self.state
                return
        self._set(status="done")
        yield self.state

    def _unpacked(self) -> FoundFiles:
        settings, upload, files = self._studio.settings, self._folder / UPLOAD, self._folder / FILES
        shutil.rmtree(files, ignore_errors=True)  # of a run that was interrupted
        files.mkdir()
        if is_zip(upload):
            limits = UnpackLimits(
                max_files=settings.max_import_files,
                max_file_bytes=settings.max_import_bytes,
                max_bytes=settings.max_unpacked_bytes,
            )
            for problem in unpack(upload, files, limits):
                self._tell(problem)
        else:
            shutil.copyfile(upload, files / self.state.name)
        return find_files(files)

    def _steps(self, found: FoundFiles) -> Iterator[int]:
        """Import file by file; yield how many are done, also within a file of many images."""
        digests: dict[str, str] = {}
        done = 0
        for picture in found.pictures:
            self._import_picture(picture, digests)
            done += 1
            yield done
        elsewhere = tuple(self._known_pictures())
        digests = {one.name: one.digest for one in elsewhere} | digests
        reader = AnnotationReader(found, elsewhere)
        for file in found.annotations:
            for read in reader.read(file):
                if isinstance(read, Problem):
                    self._tell(read)
                else:
                    self._import_masks(file, read, digests)
                yield done
            done += 1
            yield done

    def _import_picture(self, picture: Picture, digests: dict[str, str]) -> None:
        assert picture.path is not None
        limit = self._studio.settings.max_upload_bytes
        try:
            if picture.path.stat().st_size > limit:
                raise InvalidInputError(f"image must have at most {limit} bytes, got more.")
            data = picture.path.read_bytes()
            image, _ = keep_image(self._studio, self.state.project_id, data, picture.name)
        except AnymaskError as error:
            self._tell(Problem(file=picture.name, text=str(error)))
            return
        digests[picture.name] = image.digest
        self._set(images=self.state.images + 1)

    def _import_masks(self, file: str, read: AnnotatedImage, digests: dict[str, str]) -> None:
        digest = digests.get(read.image.file_name)
        if digest is None:  # a picture that could not be taken, which was told
            return
        database = self._studio.database
        with database.reading() as session:
            copies = list_copies(session, self.state.project_id, digest)
            user = session.get_one(User, self.state.user_id)
        for image_id in copies:
            try:
                with database.writing() as session:
                    added = import_masks(session, image_id, read.masks, user, database.now())
            except AnymaskError as error:
                self._tell(Problem(file=f"{file}, {read.image.file_name}", text=str(error)))
            else:
                self._set(masks=self.state.masks + added)

    def _known_pictures(self) -> Iterator[Picture]:
        after = 0
        while True:
            with self._studio.database.reading() as session:
                rows = projects.list_images(
                    session, self.state.project_id, after=after, limit=_PAGE
                )
            for image, _ in rows:
                size = (image.height, image.width)
                yield Picture(name=image.name, known_size=size, digest=image.digest)
            if not rows:
                return
            after = rows[-1][0].id

    def _tell(self, problem: Problem) -> None:
        problems = (*self.state.problems, problem)[:_MAX_PROBLEMS]
        self._set(problems=problems, num_problems=self.state.num_problems + 1)

    def _set(self, **values: Any) -> None:
        self.state = dataclasses.replace(self.state, **values)
