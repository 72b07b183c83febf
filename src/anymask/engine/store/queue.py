"""Who works on which image: leases that a lost browser gives back, submission, review.

A lease is held by an account until a time that heartbeats put off. One that ran out still counts
for saves until somebody else takes the image: an annotator whose connection was away loses nothing.
"""

from typing import Any

from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.orm import Session, aliased

from anymask.core.errors import AccessError, ConflictError, InvalidInputError
from anymask.engine.store.agreement import measure_agreement
from anymask.engine.store.projects import get_image, get_project
from anymask.engine.store.tables import Decision, Image, ImageState, Review, Role, User
from anymask.engine.store.webhooks import announce


def lease_next(
    session: Session,
    project_id: int,
    user: User,
    now: float,
    lease_seconds: float,
    *,
    after: int = 0,
) -> Image | None:
    """Return the image that this user should work on now, leased to them; None when all is done.

    First what they already hold, then what was sent back to them (or to somebody who has left),
    then the first that waits; of a picture that several people annotate each gets one copy. On
    PostgreSQL images that another request is just leasing are passed over. With `after` only images
    of a higher id are offered: so one is skipped.
    """
    get_project(session, project_id)
    _one_at_a_time(session, user)
    left = select(User.id).where(~User.is_active)
    is_theirs = or_(Image.annotator_id == user.id, Image.annotator_id.in_(left))
    is_free = or_(
        Image.lease_user_id.is_(None), Image.lease_user_id == user.id, Image.lease_until <= now
    )
    is_waiting = Image.state == ImageState.WAITING
    is_sent_back = (Image.state == ImageState.REJECTED) & is_theirs
    wanted = (
        (Image.lease_user_id == user.id) & or_(is_waiting, is_sent_back),
        is_sent_back & is_free,
        is_waiting & is_free & ~_has_another_copy(user),
    )
    for condition in wanted:  # one by one: each finds its first image by an index
        image = session.scalar(
            select(Image)
            .where(Image.project_id == project_id, Image.id > after, condition)
            .order_by(Image.id)
            .limit(1)
            .with_for_update(skip_locked=True)
        )
        if image is not None:
            image.lease_user_id = user.id
            image.lease_until = now + lease_seconds
            return image
    return None


def following_images(session: Session, image: Image, count: int) -> list[Image]:
    """Return the next `count` waiting images after this one, which somebody will open soon."""
    return list(
        session.scalars(
            select(Image)
            .where(
                Image.project_id == image.project_id,
                Image.state == ImageState.WAITING,
                Image.id > image.id,
            )
            .order_by(Image.id)
            .limit(count)
        )
    )


def lease_image(
    session: Session, image_id: int, user: User, now: float, lease_seconds: float
) -> Image:
    """Return this image, leased to the user anew: a heartbeat, or a chosen image.

    Raises:
        NotFoundError: there is no such image.
        AccessError: it was submitted, and only reviewers may change it now.
        ConflictError: somebody else works on it, or the user has another copy of it.
    """
    _one_at_a_time(session, user)
    image = get_image(session, image_id, lock=True)
    is_done = image.state in (ImageState.SUBMITTED, ImageState.ACCEPTED)
    if is_done and not user.role.includes(Role.REVIEWER):
        raise AccessError(
            f"image {image_id} must be waiting or rejected, got {image.state}. "
            "Ask a reviewer to send it back."
        )
    _check_free_for(image, user, now)
    if image.state == ImageState.WAITING and image.lease_user_id != user.id:
        others = select(Image.id).where(Image.id == image_id, _has_another_copy(user))
        if session.scalar(others) is not None:
            raise ConflictError(
                f"image {image_id} must be annotated by several people, got one who has another "
                "copy of it. Choose another.",
                "copy",
            )
    image.lease_user_id = user.id
    image.lease_until = now + lease_seconds
    return image


def release(session: Session, image_id: int, user: User) -> None:
    """Give the image back, if the user holds it."""
    image = get_image(session, image_id, lock=True)
    if image.lease_user_id == user.id:
        _free(image)


def check_holder(session: Session, image_id: int, user: User) -> Image:
    """Return the image, locked for a change; ConflictError unless the user was last to lease it."""
    image = get_image(session, image_id, lock=True)
    _check_held_by(image, user)
    return image


def submit(session: Session, image_id: int, user: User, now: float) -> Image:
    """Return the image, now ready for review and free; ConflictError unless the user holds it."""
    image = get_image(session, image_id, lock=True)
    if image.state == ImageState.SUBMITTED and image.annotator_id == user.id:
        return image  # said again, as the answer was lost
    _check_held_by(image, user)
    _announce(session, image, "image.submitted", now, user_id=user.id)
    image.state = ImageState.SUBMITTED
    image.annotator_id = user.id
    _free(image)
    if get_project(session, image.project_id).annotators_per_image > 1:
        session.flush()
        measure_agreement(session, image)
    return image


def review(
    session: Session, image_id: int, reviewer: User, decision: Decision, reason: str, now: float
) -> Image:
    """Return the image after a reviewer's decision on what was submitted.

    Raises:
        NotFoundError: there is no such image.
        InvalidInputError: a rejection without a reason.
        ConflictError: it is not submitted, or somebody else works on it.
    """
    if decision is Decision.REJECT and not reason.strip():
        raise InvalidInputError(
            "reason must say what to do better, got none. Write a sentence for the annotator."
        )
    image = get_image(session, image_id, lock=True)
    if image.state not in (ImageState.SUBMITTED, ImageState.ACCEPTED):
        raise ConflictError(
            f"image {image_id} must be submitted, got {image.state}. Choose another.", "state"
        )
    _check_free_for(image, reviewer, now)
    session.add(
        Review(
            image_id=image_id,
            reviewer_id=reviewer.id,
            decision=decision,
            reason=reason.strip(),
            decided_at=now,
        )
    )
    about = {"user_id": reviewer.id, "decision": decision.value, "reason": reason.strip()}
    _announce(session, image, "image.reviewed", now, **about)
    image.state = ImageState.REJECTED if decision is Decision.REJECT else ImageState.ACCEPTED
    _free(image)
    return image


def list_reviews(session: Session, image_id: int) -> list[Review]:
    """Return an image's reviews, oldest first."""
    get_image(session, image_id)
    return list(
        session.scalars(select(Review).where(Review.image_id == image_id).order_by(Review.id))
    )


def _announce(session: Session, image: Image, event: str, now: float, **about: Any) -> None:
    data = {"project_id": image.project_id, "image_id": image.id, "name": image.name, **about}
    announce(session, image.project_id, event, now, data)


def _one_at_a_time(session: Session, user: User) -> None:
    """Let a person's leases come one after another: two tabs must not get two copies."""
    session.scalar(select(User.id).where(User.id == user.id).with_for_update(key_share=True))


def _has_another_copy(user: User) -> ColumnElement[bool]:
    """Whether the user works on, or is done with, the same picture in the same project."""
    other = aliased(Image)
    return (
        select(other.id)
        .where(
            other.project_id == Image.project_id,
            other.digest == Image.digest,
            other.id != Image.id,
            or_(other.annotator_id == user.id, other.lease_user_id == user.id),
        )
        .exists()
    )


def _check_free_for(image: Image, user: User, now: float) -> None:
    if image.lease_user_id not in (None, user.id) and image.lease_until > now:
        raise _taken(image.id)


def _check_held_by(image: Image, user: User) -> None:
    if image.lease_user_id != user.id:
        raise _taken(image.id)


def _free(image: Image) -> None:
    image.lease_user_id = None
    image.lease_until = 0.0


def _taken(image_id: int) -> ConflictError:
    return ConflictError(
        f"image {image_id} must be leased to you, got one that is not. Lease it again.", "lease"
    )
