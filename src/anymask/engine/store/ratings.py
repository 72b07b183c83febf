"""Masks that people rate from 1 to 10, one after another, without knowing whose they are.

The time of a job is the server's: from when it was handed out to the rating, less longer pauses.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from anymask.core.errors import ConflictError, InvalidInputError, NotFoundError
from anymask.core.rle import Rle
from anymask.dataset.place_random import unit_hash
from anymask.engine.store.events import IDLE_SECONDS
from anymask.engine.store.projects import get_image, get_project
from anymask.engine.store.quality_tables import Rating, RatingJob
from anymask.engine.store.tables import Image, User

LOWEST, HIGHEST = 1, 10
OPEN_SECONDS = 900.0
"""So long a job that somebody opened is kept for them."""


@dataclass(frozen=True, kw_only=True)
class RatingJobDraft:
    """A mask to be rated.

    Attributes:
        image_id: of the project.
        object_key: the same for all sources' masks of one object.
        source: whose mask it is, for the report.
        segmentation: of the image's size, with pixels.
        prompt: `{"points": [[x, y], ...]}` if the mask is to match them.
    """

    image_id: int
    object_key: str
    source: str
    segmentation: Rle
    prompt: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class OpenJob:
    """A job as a rater gets it: nothing tells the source."""

    job: RatingJob
    image: Image


@dataclass(frozen=True, kw_only=True)
class RatingProgress:
    """How far a study has come: ratings given and wanted in all, and those of one person."""

    given: int
    wanted: int
    own: int


@dataclass(frozen=True, kw_only=True)
class GivenRating:
    """One person's rating of one mask; `seconds` without idle time."""

    image_id: int
    object_key: str
    source: str
    rater: str
    score: int
    seconds: float


def add_jobs(
    session: Session, project_id: int, drafts: Sequence[RatingJobDraft], *, raters: int, seed: int
) -> int:
    """Add jobs in an order that only depends on the seed; return how many were new.

    Args:
        session: writing.
        project_id: whose images they are on.
        drafts: a mask that is there already, by image, object and source, is passed over.
        raters: how many people are to rate each.
        seed: of the order.

    Raises:
        NotFoundError: there is no such project or image.
        InvalidInputError: a mask is of another project's image, of another size, or empty.
    """
    get_project(session, project_id, lock=True)
    known = {
        (job.image_id, job.object_key, job.source)
        for job in session.scalars(select(RatingJob).where(RatingJob.project_id == project_id))
    }
    added = 0
    for draft in drafts:
        image = get_image(session, draft.image_id)
        _check(draft, image, project_id)
        key = (draft.image_id, draft.object_key, draft.source)
        if key in known:
            continue
        known.add(key)
        session.add(
            RatingJob(
                project_id=project_id,
                image_id=image.id,
                object_key=draft.object_key,
                source=draft.source,
                place=unit_hash(f"{seed}/{image.digest}/{draft.object_key}/{draft.source}"),
                raters=raters,
                counts=draft.segmentation.to_coco()["counts"],
                prompt=draft.prompt,
            )
        )
        added += 1
    session.flush()
    return added


def next_job(session: Session, project_id: int, user: User, now: float) -> OpenJob | None:
    """Return the job that this user is to rate now; None if none is left for them.

    First what they opened, the latest first; then the first that nobody or too few have.

    Raises:
        NotFoundError: there is no such project.
    """
    get_project(session, project_id, lock=True)  # so that no job is handed out once too often
    own = (
        select(RatingJob, Rating)
        .join(Rating, Rating.job_id == RatingJob.id)
        .where(
            RatingJob.project_id == project_id,
            Rating.user_id == user.id,
            Rating.score.is_(None),
        )
        .order_by(Rating.seen_at.desc(), RatingJob.place)
    )
    opened = session.execute(own).first()
    if opened is not None:
        own_job, rating = opened
        _tend(rating, now)
        return OpenJob(job=own_job, image=get_image(session, own_job.image_id))
    in_hand = (
        select(func.count())
        .where(
            Rating.job_id == RatingJob.id,
            or_(Rating.score.is_not(None), Rating.seen_at > now - OPEN_SECONDS),
        )
        .scalar_subquery()
    )
    is_known = (
        select(Rating.job_id)
        .where(Rating.job_id == RatingJob.id, Rating.user_id == user.id)
        .exists()
    )
    job = session.scalar(
        select(RatingJob)
        .where(RatingJob.project_id == project_id, in_hand < RatingJob.raters, ~is_known)
        .order_by(RatingJob.place, RatingJob.id)
        .limit(1)
    )
    if job is None:
        return None
    session.add(Rating(job_id=job.id, user_id=user.id, score=None, seconds=0.0, seen_at=now))
    session.flush()
    return OpenJob(job=job, image=get_image(session, job.image_id))


def touch(session: Session, project_id: int, job_id: int, user: User, now: float) -> None:
    """Keep that the user is looking at a job; pauses between two touches count if they are short.

    Raises:
        NotFoundError: the user did not open that job.
    """
    rating = _opened(session, project_id, job_id, user)
    if rating.score is None:
        _tend(rating, now)


def rate(
    session: Session, project_id: int, job_id: int, user: User, score: int, now: float
) -> None:
    """Keep a rating; saying the same again changes nothing.

    Raises:
        NotFoundError: the user did not open that job.
        ConflictError: the user rated it otherwise before; take it back first.
    """
    rating = _opened(session, project_id, job_id, user)
    if rating.score is not None and rating.score != score:
        raise ConflictError(
            f"score must be the {rating.score} given before, got {score}. Take it back first.",
            "score",
        )
    if rating.score is None:
        _tend(rating, now)
        rating.score = score


def take_back(session: Session, project_id: int, user: User, now: float) -> bool:
    """Open the user's last rating again, so that it is their next job; False without any."""
    last = session.scalar(
        select(Rating)
        .join(RatingJob, RatingJob.id == Rating.job_id)
        .where(
            RatingJob.project_id == project_id,
            Rating.user_id == user.id,
            Rating.score.is_not(None),
        )
        .order_by(Rating.seen_at.desc(), RatingJob.place.desc())
        .limit(1)
        .with_for_update(of=Rating)
    )
    if last is None:
        return False
    last.score = None
    last.seen_at = now
    return True


def rating_progress(session: Session, project_id: int, user: User) -> RatingProgress:
    """Return how far a project's study has come; NotFoundError if there is no such project."""
    get_project(session, project_id)
    wanted = session.scalar(
        select(func.sum(RatingJob.raters)).where(RatingJob.project_id == project_id)
    )
    given = (
        select(func.count())
        .select_from(Rating)
        .join(RatingJob, RatingJob.id == Rating.job_id)
        .where(RatingJob.project_id == project_id, Rating.score.is_not(None))
    )
    return RatingProgress(
        given=session.scalar(given) or 0,
        wanted=wanted or 0,
        own=session.scalar(given.where(Rating.user_id == user.id)) or 0,
    )


def list_ratings(session: Session, project_id: int) -> list[GivenRating]:
    """Return all ratings of a project by image, object and source."""
    get_project(session, project_id)
    rows = session.execute(
        select(RatingJob, Rating.score, Rating.seconds, User.name)
        .join(Rating, Rating.job_id == RatingJob.id)
        .join(User, User.id == Rating.user_id)
        .where(RatingJob.project_id == project_id, Rating.score.is_not(None))
        .order_by(RatingJob.image_id, RatingJob.object_key, RatingJob.source, User.name)
    )
    return [
        GivenRating(
            image_id=job.image_id,
            object_key=job.object_key,
            source=job.source,
            rater=name,
            score=score or 0,
            seconds=seconds,
        )
        for job, score, seconds, name in rows
    ]


def _opened(session: Session, project_id: int, job_id: int, user: User) -> Rating:
    rating = session.get(Rating, (job_id, user.id), with_for_update=True)
    job = session.get(RatingJob, job_id)
    if rating is None or job is None or job.project_id != project_id:
        raise NotFoundError(f"job must be one that you opened, got {job_id}. Ask for the next one.")
    return rating


def _tend(rating: Rating, now: float) -> None:
    pause = max(now - rating.seen_at, 0.0)
    rating.seconds += pause if pause <= IDLE_SECONDS else 0.0
    rating.seen_at = max(now, rating.seen_at)


def _check(draft: RatingJobDraft, image: Image, project_id: int) -> None:
    if image.project_id != project_id:
        raise InvalidInputError(
            f"image_id must be one of project {project_id}, got {image.id} of another. Add it."
        )
    size = image.height, image.width
    if draft.segmentation.size != size or not draft.segmentation.area:
        raise InvalidInputError(
            f"segmentation must have pixels and the image's size {list(size)} (height, width), got "
            f"{draft.segmentation.area} pixels of {list(draft.segmentation.size)}. Correct it."
        )
