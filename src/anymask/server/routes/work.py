"""An annotator's day: the next image, its lease, masks saved and deleted, events, submission."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Header, Query, Response

from anymask.core.errors import InvalidInputError
from anymask.core.rle import Rle
from anymask.engine.store import annotations, events, idempotency, queue
from anymask.engine.store.projects import get_image
from anymask.engine.store.tables import Annotation, Image
from anymask.server.access import Annotator, Reviewer, StudioOf
from anymask.server.embedding_store import Urgency
from anymask.server.schemas import (
    ActionModel,
    AnnotationDraft,
    AnnotationView,
    ImageView,
    ReviewDraft,
    ReviewView,
    RowId,
    WorkView,
)

router = APIRouter(prefix="/api", tags=["work"])

Key = Annotated[str | None, Header(alias="Idempotency-Key", min_length=1, max_length=100)]


@router.post(
    "/projects/{project_id}/next", responses={204: {"description": "Nothing is left to do."}}
)
def next_image(
    project_id: RowId,
    user: Annotator,
    studio: StudioOf,
    after: Annotated[int, Query(ge=0, le=2**31 - 1)] = 0,
) -> WorkView:
    """Lease the next image: one's own first, then what was sent back, then what waits.

    `after` skips all images up to that id.
    """
    with studio.database.writing() as session:
        image = queue.lease_next(
            session,
            project_id,
            user,
            studio.database.now(),
            studio.settings.lease_seconds,
            after=after,
        )
        if image is None:
            return Response(status_code=204)  # type: ignore[return-value]
        following = queue.following_images(session, image, studio.settings.prepare_ahead)
        work = _work(image, annotations.list_annotations(session, image.id))
    studio.prepare(image, Urgency.SOON)
    for one in following:
        studio.prepare(one, Urgency.SOON)
    return work


@router.put("/images/{image_id}/lease")
def lease_image(image_id: RowId, user: Annotator, studio: StudioOf) -> WorkView:
    """Lease a chosen image, or keep a lease alive: send it again before `lease_until`."""
    with studio.database.writing() as session:
        image = queue.lease_image(
            session, image_id, user, studio.database.now(), studio.settings.lease_seconds
        )
        return _work(image, annotations.list_annotations(session, image.id))


@router.delete("/images/{image_id}/lease", status_code=204)
def release_image(image_id: RowId, user: Annotator, studio: StudioOf) -> None:
    """Give an image back without submitting it; its masks stay."""
    with studio.database.writing() as session:
        queue.release(session, image_id, user)


@router.get("/images/{image_id}/annotations")
def list_annotations(image_id: RowId, user: Annotator, studio: StudioOf) -> list[AnnotationView]:
    """List an image's masks in order of prominence."""
    with studio.database.reading() as session:
        get_image(session, image_id)
        rows = annotations.list_annotations(session, image_id)
    return [AnnotationView.model_validate(row) for row in rows]


@router.put("/annotations/{annotation_id}")
def save_annotation(
    annotation_id: UUID,
    draft: AnnotationDraft,
    user: Annotator,
    studio: StudioOf,
    response: Response,
    key: Key = None,
) -> AnnotationView:
    """Save a mask under the client's UUID; it is on disk when the answer comes.

    Saying the same again, with or without Idempotency-Key, saves nothing twice. If somebody else
    changed the mask, the answer is 409 with the stored mask as `current` (null if there is none).
    """
    rle = Rle.from_coco(draft.segmentation.model_dump())
    mask = annotations.MaskDraft(
        segmentation=rle,
        position=draft.position,
        name=draft.name,
        model_id=draft.model_id,
        predicted_iou=draft.predicted_iou,
        prompts=draft.prompts.model_dump(mode="json", exclude_none=True),
    )
    request_hash = idempotency.hash_request("save", str(annotation_id), draft.model_dump())
    with studio.database.writing() as session:
        if key and (kept := idempotency.recall(session, user.id, key, request_hash)):
            response.headers["Idempotent-Replayed"] = "true"
            return AnnotationView(**kept)
        now = studio.database.now()
        stored = annotations.save(
            session, str(annotation_id), draft.image_id, draft.version, mask, user, now
        )
        view = AnnotationView.model_validate(stored)
        if key:
            idempotency.remember(
                session, user.id, key, request_hash, view.model_dump(mode="json"), now
            )
    return view


@router.delete("/annotations/{annotation_id}")
def delete_annotation(
    annotation_id: UUID,
    image_id: Annotated[int, Query(ge=1, le=2**31 - 1)],
    version: Annotated[int, Query(ge=0, le=2**31 - 1)],
    user: Annotator,
    studio: StudioOf,
) -> AnnotationView:
    """Delete a mask whose stored version is that one; again changes nothing."""
    with studio.database.writing() as session:
        now = studio.database.now()
        removed = annotations.remove(session, str(annotation_id), image_id, version, user, now)
        return AnnotationView.model_validate(removed)


@router.post("/images/{image_id}/events", status_code=204)
def log_events(
    image_id: RowId,
    actions: list[ActionModel],
    user: Annotator,
    studio: StudioOf,
    key: Key = None,
) -> None:
    """Log what was done, in order; with Idempotency-Key a repeated request logs nothing twice."""
    if len(actions) > 1000:
        raise InvalidInputError(f"actions must be at most 1000, got {len(actions)}. Send parts.")
    logged = [_action(action) for action in actions]
    # Their ages grow while a request is tried again.
    same = [action.model_dump(mode="json", exclude={"age_seconds"}) for action in actions]
    request_hash = idempotency.hash_request("events", image_id, same)
    with studio.database.writing() as session:
        if key and idempotency.recall(session, user.id, key, request_hash) is not None:
            return
        now = studio.database.now()
        events.log_actions(session, image_id, user, logged, now)
        if key:
            idempotency.remember(session, user.id, key, request_hash, {}, now)


@router.post("/images/{image_id}/submit")
def submit_image(image_id: RowId, user: Annotator, studio: StudioOf) -> ImageView:
    """Hand an image that one holds to review; again changes nothing."""
    with studio.database.writing() as session:
        submitted = queue.submit(session, image_id, user, studio.database.now())
        return ImageView.model_validate(submitted)


@router.post("/images/{image_id}/review")
def review_image(
    image_id: RowId, draft: ReviewDraft, user: Reviewer, studio: StudioOf
) -> ImageView:
    """Decide about a submitted image; to fix it, lease it, save masks, then decide `fix`."""
    with studio.database.writing() as session:
        now = studio.database.now()
        reviewed = queue.review(session, image_id, user, draft.decision, draft.reason, now)
        return ImageView.model_validate(reviewed)


@router.get("/images/{image_id}/reviews")
def list_reviews(image_id: RowId, user: Annotator, studio: StudioOf) -> list[ReviewView]:
    """List an image's reviews, oldest first."""
    with studio.database.reading() as session:
        return [ReviewView.model_validate(row) for row in queue.list_reviews(session, image_id)]


def _work(image: Image, rows: list[Annotation]) -> WorkView:
    return WorkView(
        image=ImageView.model_validate(image),
        annotations=[AnnotationView.model_validate(row) for row in rows],
    )


def _action(action: ActionModel) -> events.Action:
    values: dict[str, Any] = action.model_dump()
    about = values.pop("annotation_id")
    return events.Action(annotation_id=None if about is None else str(about), **values)
