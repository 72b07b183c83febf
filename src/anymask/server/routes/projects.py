"""Projects: making and listing them, their members, images and figures."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool

from anymask.engine.store import audit, members, projects
from anymask.engine.store.statistics import project_statistics
from anymask.engine.store.tables import ImageState, Project
from anymask.server.access import Admin, Annotator, Reviewer, StudioOf
from anymask.server.admin_schemas import MembersDraft, ProjectChange, StatisticsView
from anymask.server.schemas import (
    ImageView,
    ListedImageView,
    ProgressView,
    ProjectDraft,
    ProjectView,
    RowId,
    UserView,
)
from anymask.server.uploads import keep_image

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
        project = projects.add_project(
            session,
            draft.name,
            draft.guideline,
            studio.database.now(),
            draft.annotators_per_image,
        )
        did = {"project_id": project.id, **draft.model_dump()}
        audit.note(session, user, "add project", studio.database.now(), **did)
        return _project_view(project, projects.get_progress(session, project.id))


@router.get("")
def list_projects(user: Annotator, studio: StudioOf) -> list[ProjectView]:
    """List the projects that one is a member of; admins see all."""
    with studio.database.reading() as session:
        return [
            _project_view(project, projects.get_progress(session, project.id))
            for project in projects.list_projects(session, user)
        ]


@router.get("/{project_id}")
def get_project(project_id: RowId, user: Annotator, studio: StudioOf) -> ProjectView:
    """Give one project."""
    with studio.database.reading() as session:
        project = projects.get_project(session, project_id)
        return _project_view(project, projects.get_progress(session, project_id))


@router.patch("/{project_id}")
def change_project(
    project_id: RowId, change: ProjectChange, user: Admin, studio: StudioOf
) -> ProjectView:
    """Change the guideline, or ask more people for each image; those who are done are done."""
    with studio.database.writing() as session:
        project = projects.change_project(session, project_id, **change.model_dump())
        did = {"project_id": project_id, **change.model_dump()}
        audit.note(session, user, "change project", studio.database.now(), **did)
        return _project_view(project, projects.get_progress(session, project_id))


@router.get("/{project_id}/members")
def list_members(project_id: RowId, user: Reviewer, studio: StudioOf) -> list[UserView]:
    """List who may see the project, besides the admins."""
    with studio.database.reading() as session:
        return [UserView.model_validate(one) for one in members.list_members(session, project_id)]


@router.post("/{project_id}/members", status_code=204)
def add_members(project_id: RowId, draft: MembersDraft, user: Admin, studio: StudioOf) -> None:
    """Let accounts see the project; those who do already stay."""
    with studio.database.writing() as session:
        members.add_members(session, project_id, draft.user_ids)
        did = {"project_id": project_id, **draft.model_dump()}
        audit.note(session, user, "add members", studio.database.now(), **did)


@router.delete("/{project_id}/members/{user_id}", status_code=204)
def remove_member(project_id: RowId, user_id: RowId, user: Admin, studio: StudioOf) -> None:
    """Let an account see the project no more; what it was working on is free for others."""
    with studio.database.writing() as session:
        members.remove_member(session, project_id, user_id)
        did = {"project_id": project_id, "user_id": user_id}
        audit.note(session, user, "remove member", studio.database.now(), **did)


@router.post(
    "/{project_id}/images",
    status_code=201,
    openapi_extra=_UPLOAD_BODY,
    responses={200: {"model": ImageView, "description": "The image was there already."}},
)
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
    image, is_new = await run_in_threadpool(keep_image, studio, project_id, data, name)
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


def _project_view(project: Project, progress: projects.Progress) -> ProjectView:
    return ProjectView(
        id=project.id,
        name=project.name,
        guideline=project.guideline,
        annotators_per_image=project.annotators_per_image,
        created_at=project.created_at,
        progress=ProgressView.model_validate(progress),
    )
