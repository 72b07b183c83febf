"""Data versions: a round's masks and photos, frozen in a folder that is named by what it holds.

A version is a folder of the COCO layout (`images/`, `annotations.json`), which every reader here
knows, with `version.json`: the SHA-256 of each file, and where each mask is from. It is never
changed, and checked whenever it is used.
"""

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anymask.core.annotated import AnnotatedImage
from anymask.core.errors import InvalidInputError
from anymask.core.files import (
    atomic_write,
    read_json,
    rename_folder,
    write_bytes,
    write_json,
)
from anymask.dataset.formats.coco import FILE, coco_pieces
from anymask.engine.store.annotations import list_annotations
from anymask.engine.store.blobs import Blobs, image_blob
from anymask.engine.store.database import Database
from anymask.engine.store.export import annotated_images

VERSION_FILE = "version.json"
_FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class DataVersion:
    """A frozen data version; `digest` is the SHA-256 of its list of files and masks."""

    folder: Path
    digest: str
    num_images: int
    num_masks: int


def freeze(database: Database, blobs: Blobs, project_id: int, parent: Path) -> DataVersion:
    """Return the project's masks and photos as a version below `parent`.

    One that is there already, with the same content, is not written again.

    Args:
        database: with the project, which should be done.
        blobs: with the photos.
        project_id: of which project.
        parent: gets a folder, named by the first 16 digits of the digest.

    Raises:
        NotFoundError: there is no such project, or a photo's file is gone.
        InvalidInputError: the project has no mask.
        OutputError: no room.
    """
    building = parent / ".building"
    shutil.rmtree(building, ignore_errors=True)  # of a run that was killed
    (building / "images").mkdir(parents=True)
    rows: list[dict[str, Any]] = []
    images = _written(database, blobs, project_id, building, rows)
    with atomic_write(building / FILE) as stream:
        stream.writelines(coco_pieces(images, "anymask engine"))
    if not any(row["masks"] for row in rows):
        raise InvalidInputError(
            f"a data version must have a mask, got none in project {project_id}. Annotate its "
            "images."
        )
    content = {
        "format": _FORMAT,
        "files": {name: _sha256(building / name) for name in _files(building)},
        "images": rows,
    }
    digest = _digest(content)
    write_json(building / VERSION_FILE, {"digest": digest, **content})
    folder = parent / digest[:16]
    if folder.exists():
        shutil.rmtree(building)
    else:
        rename_folder(building, folder)
    return open_version(folder)


def open_version(folder: Path) -> DataVersion:
    """Return a version after a check of every file in it.

    Raises:
        InvalidInputError: a file is missing, was changed or does not belong there.
    """
    value = read_json(folder / VERSION_FILE)
    digest = value.pop("digest")
    if digest != _digest(value):
        raise _changed(folder, VERSION_FILE)
    found = set(_files(folder)) - {VERSION_FILE}
    for name in sorted(found ^ set(value["files"])):
        raise _changed(folder, name)
    for name, expected in value["files"].items():
        if _sha256(folder / name) != expected:
            raise _changed(folder, name)
    return DataVersion(
        folder=folder,
        digest=digest,
        num_images=len(value["images"]),
        num_masks=sum(len(image["masks"]) for image in value["images"]),
    )


def read_lineage(folder: Path) -> list[dict[str, Any]]:
    """Return what a version tells of each photo: digest, name, and where each mask is from."""
    images: list[dict[str, Any]] = read_json(folder / VERSION_FILE)["images"]
    return images


def _written(
    database: Database,
    blobs: Blobs,
    project_id: int,
    folder: Path,
    rows: list[dict[str, Any]],
) -> Iterator[AnnotatedImage]:
    """The project's images with masks; their files are written and `rows` filled on the way."""
    with database.reading() as session:
        for image, annotated in annotated_images(session, project_id):
            name = annotated.image.file_name
            write_bytes(folder / "images" / name, blobs.read(image_blob(image.digest)))
            masks = [
                {
                    "annotation_id": mask.id,
                    "version": mask.version,
                    "author_id": mask.author_id,
                    "model_id": mask.model_id,
                }
                for mask in list_annotations(session, image.id)
            ]
            about = {"file_name": name, "image_id": image.id, "digest": image.digest}
            rows.append({**about, "masks": masks})
            yield annotated


def _files(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _digest(content: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _changed(folder: Path, name: str) -> InvalidInputError:
    return InvalidInputError(
        f"{folder} must be as it was frozen, got another {name}. Restore it from a copy."
    )
