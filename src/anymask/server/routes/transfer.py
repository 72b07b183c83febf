"""Masks from elsewhere and to elsewhere: imports as background jobs, exports as streams."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse

from anymask.core.annotated import AnnotatedImage, AnnotatedMask
from anymask.core.errors import AccessError, OutputError
from anymask.core.image_metadata import without_metadata
from anymask.core.rle import Rle
from anymask.dataset.formats.registry import FORMATS, Format, get_format
from anymask.dataset.formats.written import WrittenFile
from anymask.dataset.privacy.concealing import conceal_file
from anymask.engine.store import privacy, projects
from anymask.engine.store.blobs import image_blob
from anymask.engine.store.export import annotated_images
from anymask.engine.store.image_files import tidy_file_name
from anymask.engine.store.imports import import_masks
from anymask.engine.store.members import check_project_visible
from anymask.engine.store.tables import ImageState, Role
from anymask.server.access import Admin, Annotator, Reviewer, StudioOf
from anymask.server.archives import has_room, zip_pieces
from anymask.server.import_jobs import ImportJobs
from anymask.server.schemas import AddedView, FormatView, ImportedMasks, ImportView, RowId
from anymask.server.studio import Studio
from anymask.server.uploads import disposition

router = APIRouter(prefix="/api", tags=["import and export"])

# These are one file, which needs no archive around it.
_PLAIN = {"coco": "json", "coco_polygons": "json", "lvis": "json"}
_UPLOAD_BODY = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


def get_jobs(request: Request) -> ImportJobs:
    """Return the application's imports."""
    jobs: ImportJobs = request.app.state.import_jobs
    return jobs


_Jobs = Annotated[ImportJobs, Depends(get_jobs)]


@router.get("/formats")
def list_formats(user: Annotator) -> list[FormatView]:
    """List the formats of exports; imports take all of them without being told which."""
    return [FormatView(name=format.name, title=format.title) for format in FORMATS.values()]


@router.post("/projects/{project_id}/imports", status_code=202, openapi_extra=_UPLOAD_BODY)
async def start_import(
    project_id: RowId,
    name: Annotated[str, Query(max_length=1000, examples=["street.zip"])],
    request: Request,
    user: Admin,
    studio: StudioOf,
    jobs: _Jobs,
) -> ImportView:
    """Import pictures and masks: the body is a ZIP archive, or one file of annotations.

    The answer comes when the upload is complete; ask for the import's state then. Annotations find
    their pictures by name, in the archive or in the project. Masks that came before are passed
    over, so that an import can be sent again.
    """
    await run_in_threadpool(_check_project, studio, project_id)
    name = tidy_file_name(name)
    upload = await run_in_threadpool(jobs.new_upload)
    try:
        await _receive(request, upload)
        state = await run_in_threadpool(jobs.start, upload, project_id, user, name)
    except BaseException:
        jobs.discard(upload)
        raise
    return ImportView.model_validate(state)


@router.get("/projects/{project_id}/imports")
def list_imports(project_id: RowId, user: Admin, studio: StudioOf, jobs: _Jobs) -> list[ImportView]:
    """List a project's imports of the last week, newest first."""
    _check_project(studio, project_id)
    return [ImportView.model_validate(state) for state in jobs.of_project(project_id)]


@router.get("/imports/{import_id}")
def get_import(import_id: str, user: Admin, studio: StudioOf, jobs: _Jobs) -> ImportView:
    """Tell how far an import has come."""
    state = jobs.get(import_id)
    with studio.database.reading() as session:
        check_project_visible(session, state.project_id, user)
    return ImportView.model_validate(state)


@router.post("/images/{image_id}/annotations")
def add_imported_masks(
    image_id: RowId, draft: ImportedMasks, user: Admin, studio: StudioOf
) -> AddedView:
    """Add masks that were made elsewhere behind those that are there; again changes nothing."""
    masks = [
        AnnotatedMask(
            segmentation=Rle.from_coco(mask.segmentation.model_dump()),
            name=mask.name,
            is_crowd=mask.is_crowd,
            predicted_iou=mask.predicted_iou,
            point_coords=tuple(mask.point_coords),
        )
        for mask in draft.masks
    ]
    with studio.database.writing() as session:
        added = import_masks(session, image_id, masks, user, studio.database.now())
    return AddedView(added=added)


@router.get(
    "/projects/{project_id}/export",
    response_class=Response,
    responses={200: {"content": {"application/json": {}, "application/zip": {}}}},
)
def export_project(
    project_id: RowId,
    user: Reviewer,
    studio: StudioOf,
    format: Annotated[str, Query(json_schema_extra={"enum": [*FORMATS]})] = "coco",
    state: ImageState | None = None,
    pictures: bool = False,
    reviewed: bool = False,
    metadata: bool = False,
) -> Response:
    """Give all masks: COCO as one JSON file, other formats, or with pictures, as a ZIP archive.

    Faces and plates that were found or marked in a picture are concealed in it. With `reviewed` the
    answer is 409 unless a reviewer has seen to all pictures. Other pictures are given as they were
    uploaded, but upright and without EXIF data, unless an admin asks for `metadata`.
    """
    chosen = get_format(format)
    if metadata and user.role != Role.ADMIN:
        raise AccessError(f"role must be admin for metadata, got {user.role}. Ask an admin.")
    with studio.database.reading() as session:
        project = projects.get_project(session, project_id)
        if reviewed:
            privacy.check_reviewed(session, project_id, state)
    files = _files(studio, project_id, project.name, chosen, state, pictures, metadata)
    is_plain = format in _PLAIN and not pictures
    suffix = _PLAIN[format] if is_plain else "zip"
    name = f"project_{project_id}_{format}.{suffix}"
    return StreamingResponse(
        (piece for file in files for piece in file.pieces) if is_plain else zip_pieces(files),
        media_type=f"application/{suffix}",
        headers={"Content-Disposition": disposition(name, "attachment")},
    )


def _check_project(studio: Studio, project_id: int) -> None:
    with studio.database.reading() as session:
        projects.get_project(session, project_id)


async def _receive(request: Request, path: Path) -> None:
    """Write the body to the file as it comes."""
    announced = request.headers.get("content-length", "0")
    if announced.isdigit() and not has_room(path.parent, int(announced)):
        raise OutputError("disk must have room for the upload, got too little. Make room.")
    try:
        with path.open("xb") as stream:
            async for piece in request.stream():
                await run_in_threadpool(stream.write, piece)
    except OSError as error:
        raise OutputError(
            f"upload could not be kept: {error.strerror}. Make room on the server."
        ) from error


def _files(
    studio: Studio,
    project_id: int,
    title: str,
    format: Format,
    state: ImageState | None,
    with_pictures: bool,
    with_metadata: bool,
) -> Iterator[WrittenFile]:
    """The files of an export; each picture after the annotations that came with it."""
    with studio.database.reading() as session:
        waiting: list[tuple[str, str]] = []

        def images() -> Iterator[AnnotatedImage]:
            for row, image in annotated_images(session, project_id, state):
                if with_pictures:
                    waiting.append((image.image.file_name, row.digest))
                yield image

        for file in format.write(images(), title):
            yield file
            while waiting:
                name, digest = waiting.pop()
                path = f"{format.picture_folder}/{name}".lstrip("/")
                stored = privacy.get_concealed(session, project_id, digest)
                pieces = (_picture(studio, *one) for one in ((digest, stored, with_metadata),))
                yield WrittenFile(path=path, pieces=pieces)


def _picture(studio: Studio, digest: str, stored: privacy.Concealed, with_metadata: bool) -> bytes:
    """The picture's file: encoded anew only where something is concealed or it lies turned."""
    data = studio.blobs.read(image_blob(digest))
    if stored.version:
        return conceal_file(data, stored.regions)
    if with_metadata:
        return data
    return without_metadata(data) or conceal_file(data, ())
