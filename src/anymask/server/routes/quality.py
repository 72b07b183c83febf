"""How good masks are by people's judgement: rating studies, and audits of finished data sets."""

from typing import Any

from fastapi import APIRouter, Response

from anymask.core.rle import Rle
from anymask.engine.quality.audit_figures import measure_audit
from anymask.engine.quality.rating_figures import measure_ratings
from anymask.engine.store import audited, ratings
from anymask.engine.store.ratings import OpenJob, RatingJobDraft
from anymask.server.access import Annotator, Reviewer, StudioOf
from anymask.server.quality_schemas import (
    RatingJobView,
    RatingProgressView,
    ScoreBody,
    StudyBody,
    StudyView,
)
from anymask.server.schemas import RleModel, RowId

router = APIRouter(prefix="/api/projects/{project_id}", tags=["quality"])


@router.post("/rating/jobs", status_code=201)
def add_rating_jobs(
    project_id: RowId, body: StudyBody, user: Reviewer, studio: StudioOf
) -> StudyView:
    """Add masks to be rated; those that are there, by image, object and source, are passed over."""
    drafts = [
        RatingJobDraft(
            image_id=job.image_id,
            object_key=job.object_key,
            source=job.source,
            segmentation=Rle.from_coco(job.segmentation.model_dump()),
            prompt={"points": job.points} if job.points else {},
        )
        for job in body.jobs
    ]
    with studio.database.writing() as session:
        added = ratings.add_jobs(session, project_id, drafts, raters=body.raters, seed=body.seed)
    return StudyView(added=added)


@router.get("/rating")
def get_rating_progress(project_id: RowId, user: Annotator, studio: StudioOf) -> RatingProgressView:
    """Tell how far the study has come; 0 wanted if the project has none."""
    with studio.database.reading() as session:
        progress = ratings.rating_progress(session, project_id, user)
    return RatingProgressView.model_validate(progress)


@router.post("/rating/next", responses={204: {"description": "None is left for who asks."}})
def next_rating_job(project_id: RowId, user: Annotator, studio: StudioOf) -> RatingJobView:
    """Give the mask to rate now: one's open one first."""
    with studio.database.writing() as session:
        found = ratings.next_job(session, project_id, user, studio.database.now())
        if found is None:
            return Response(status_code=204)  # type: ignore[return-value]
        return _view(found)


@router.post("/rating/jobs/{job_id}/touch", status_code=204)
def touch_rating_job(project_id: RowId, job_id: RowId, user: Annotator, studio: StudioOf) -> None:
    """Tell that one is still looking, so that the time counts; pauses of over a minute do not."""
    with studio.database.writing() as session:
        ratings.touch(session, project_id, job_id, user, studio.database.now())


@router.put("/rating/jobs/{job_id}", status_code=204)
def rate_mask(
    project_id: RowId, job_id: RowId, body: ScoreBody, user: Annotator, studio: StudioOf
) -> None:
    """Rate a mask that one was given; 409 if one has rated it otherwise before."""
    with studio.database.writing() as session:
        ratings.rate(session, project_id, job_id, user, body.score, studio.database.now())


@router.post("/rating/undo")
def take_rating_back(project_id: RowId, user: Annotator, studio: StudioOf) -> RatingProgressView:
    """Take one's last rating back, so that it is the next job; nothing changes without any."""
    with studio.database.writing() as session:
        ratings.take_back(session, project_id, user, studio.database.now())
        progress = ratings.rating_progress(session, project_id, user)
    return RatingProgressView.model_validate(progress)


@router.get("/rating/figures")
def get_rating_figures(project_id: RowId, user: Reviewer, studio: StudioOf) -> dict[str, Any]:
    """Give means, paired differences and times, as of `anymask engine rate report`."""
    with studio.database.reading() as session:
        given = ratings.list_ratings(session, project_id)
    return measure_ratings(given).to_json()


@router.get("/audit/figures")
def get_audit_figures(project_id: RowId, user: Reviewer, studio: StudioOf) -> dict[str, Any]:
    """Give the IoU of masks with their corrections, as of `anymask engine audit report`."""
    with studio.database.reading() as session:
        masks = list(audited.corrected_masks(session, project_id))
    return measure_audit(masks).to_json()


def _view(found: OpenJob) -> RatingJobView:
    job, image = found.job, found.image
    return RatingJobView(
        job_id=job.id,
        image_id=image.id,
        width=image.width,
        height=image.height,
        segmentation=RleModel(size=(image.height, image.width), counts=job.counts),
        points=job.prompt.get("points", []),
    )
