"""Projects: making and listing them, their images, figures and exports."""

import json
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import FileResponse, StreamingResponse
from starlette.background import BackgroundTask

from anymask.engine.store import export, projects
from anymask.engine.store.blobs import image_blob
from anymask.engine.store.statistics import project_statistics
from anymask.engine.store.tables import Image, ImageState, Project
from anymask.server.access import Admin, Annotator, Reviewer, StudioOf
from anymask.server.embedding_store import Urgency
from anymask.server.schemas import (
    ImageView,
    ListedImageView,
    ProgressView,
    ProjectDraft,
    ProjectView,
    RowId,
    StatisticsView,
)
from anymask.server.studio import Studio
from anymask.server.uploads import check_image, disposition

router = APIRouter(prefix="/api/projects", tags=["projects"])

_UPLOAD_BODY = {
    "requestBody": {
        "required": True,
        "content": {"image/*": {"schema": {"type": "string", "format": "binary"}}},
    }
}


@router.post("", status_code=201)
def add_project(draft: ProjectDraft, user: Admin, studio: StudioOf) -> ProjectView:
    """Make a project."""
    with studio.database.writing() as session:
        project = projects.add_project(session, draft.name, draft.guideline, studio.database.now())
        return _project_view(project, projects.get_progress(session, project.id))


@router.get("")
def list_projects(user: Annotator, studio: StudioOf) -> list[ProjectView]:
    """List all projects."""
    with studio.database.reading() as session:
        return [
            _project_view(project, projects.get_progress(session, project.id))
            for project in projects.list_projects(session)
        ]


@router.get("/{project_id}")
def get_project(project_id: RowId, user: Annotator, studio: StudioOf) -> ProjectView:
    """Give one project."""
    with studio.database.reading() as session:
        project = projects.get_project(session, project_id)
        return _project_view(project, projects.get_progress(session, project_id))


@router.post("/{project_id}/images", status_code=201, openapi_extra=_UPLOAD_BODY)
async def add_image(
    project_id: RowId,
    name: Annotated[str, Query(examples=["street.jpg"])],
    request: Request,
    response: Response,
    user: Admin,
    studio: StudioOf,
) -> ImageView:
    """Add an image: its file is the request's body. The same file again changes nothing (200)."""
    data = await request.body()
    image, is_new = await run_in_threadpool(_add_image, studio, project_id, data, name)
    if not is_new:
        response.status_code = 200
    return ImageView.model_validate(image)


@router.get("/{project_id}/images")
def list_images(
    project_id: RowId,
    user: Annotator,
    studio: StudioOf,
    state: ImageState | None = None,
    name: Annotated[str, Query(max_length=255)] = "",
    after: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[ListedImageView]:
    """List images, with a text in their names or in a state; the next page is after the last id."""
    with studio.database.reading() as session:
        rows = projects.list_images(
            session, project_id, state=state, name=name.replace("\0", ""), after=after, limit=limit
        )
    return [
        ListedImageView(**ImageView.model_validate(image).model_dump(), masks=masks)
        for image, masks in rows
    ]


@router.get("/{project_id}/statistics")
def get_statistics(project_id: RowId, user: Reviewer, studio: StudioOf) -> StatisticsView:
    """Give what masks cost, over time, by model and by annotator."""
    with studio.database.reading() as session:
        return StatisticsView.model_validate(project_statistics(session, project_id))


@router.get("/{project_id}/export", response_class=Response)
def export_project(
    project_id: RowId,
    user: Reviewer,
    studio: StudioOf,
    format: Literal["coco", "sa1b"] = "coco",
) -> Response:
    """Give all masks: one COCO JSON file, or a zip archive with SA-1B's JSON of each image."""
    with studio.database.reading() as session:
        projects.get_project(session, project_id)
    if format == "coco":
        headers = {"Content-Disposition": disposition(f"project_{project_id}.json", "attachment")}
        return StreamingResponse(
            _coco_pieces(studio, project_id), media_type="application/json", headers=headers
        )
    path = _write_sa1b(studio, project_id)
    return FileResponse(
        path,
        media_type="application/zip",
        filename=f"project_{project_id}_sa1b.zip",
        background=BackgroundTask(path.unlink),
    )


def _add_image(studio: Studio, project_id: int, data: bytes, name: str) -> tuple[Image, bool]:
    with studio.database.reading() as session:
        projects.get_project(session, project_id)
    file = check_image(data, name, studio.settings.max_pixels)
    # The file first: a row whose file is missing must never be seen.
    blob = image_blob(file.digest)
    if blob not in studio.blobs:
        studio.blobs.write(blob, data)
    with studio.database.writing() as session:
        image, is_new = projects.add_image(session, project_id, file, studio.database.now())
    studio.prepare(image, Urgency.SOME_DAY)
    return image, is_new


def _coco_pieces(studio: Studio, project_id: int) -> Iterator[str]:
    with studio.database.reading() as session:
        yield from export.coco_json(session, project_id)


def _write_sa1b(studio: Studio, project_id: int) -> Path:
    """Write the archive to a temporary file, as it may be larger than memory."""
    with (
        tempfile.NamedTemporaryFile(suffix=".zip", delete=False) as stream,
        zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive,
        studio.database.reading() as session,
    ):
        for name, content in export.sa1b_files(session, project_id):
            archive.writestr(name, json.dumps(content))
    return Path(stream.name)


def _project_view(project: Project, progress: projects.Progress) -> ProjectView:
    return ProjectView(
        id=project.id,
        name=project.name,
        guideline=project.guideline,
        created_at=project.created_at,
        progress=ProgressView.model_validate(progress),
    )
