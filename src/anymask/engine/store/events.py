"""What annotators did and when, by the server's clock; the time that each mask took comes of it.

The time up to an event belongs to the event's mask. It is added up as events come (`Effort`), so
that a dashboard need not read a log of millions of lines.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from anymask.engine.store.projects import get_image
from anymask.engine.store.tables import Effort, Event, User

MAX_AGE_SECONDS = 600.0
"""How long before it was sent an event may have happened; for more no browser is believed."""

IDLE_SECONDS = 60.0
"""A longer pause between two events belongs to no mask."""


@dataclass(frozen=True, kw_only=True)
class Action:
    """One thing an annotator did.

    Attributes:
        kind: click, box, stroke, choice, save, open, ...
        annotation_id: of the mask it was about, if any.
        age_seconds: how long before it was sent it happened, so that several travel together.
        data: the rest: where the click was, what the model predicted.
    """

    kind: str
    annotation_id: str | None = None
    age_seconds: float = 0.0
    data: dict[str, Any] = field(default_factory=dict)


def log_actions(
    session: Session, image_id: int, user: User, actions: Sequence[Action], now: float
) -> None:
    """Keep actions in their order, stamped; none comes before what the account did earlier.

    What they cost is added to the efforts of their masks.

    Raises:
        NotFoundError: there is no such image.
    """
    get_image(session, image_id)
    # One person's events come one after another: each needs the time of the one before.
    session.scalar(select(User.id).where(User.id == user.id).with_for_update(key_share=True))
    before = session.scalar(
        select(Event.happened_at)
        .where(Event.image_id == image_id, Event.user_id == user.id)
        .order_by(Event.id.desc())
        .limit(1)
    )
    for action in actions:
        age = min(max(action.age_seconds, 0.0), MAX_AGE_SECONDS)
        at = min(max(before or 0.0, now - age), now)
        session.add(
            Event(
                image_id=image_id,
                user_id=user.id,
                annotation_id=action.annotation_id,
                kind=action.kind,
                data=action.data,
                happened_at=at,
            )
        )
        if action.annotation_id is not None:
            pause = 0.0 if before is None else at - before
            effort = _effort(session, action.annotation_id, user.id, image_id)
            effort.seconds += pause if pause <= IDLE_SECONDS else 0.0
            effort.clicks += action.kind == "click"
            effort.strokes += action.kind == "stroke"
            effort.finished_at = at
        before = at


def _effort(session: Session, annotation_id: str, user_id: int, image_id: int) -> Effort:
    """What the mask cost this person so far."""
    effort = session.get(Effort, (annotation_id, user_id))
    if effort is None:
        effort = Effort(
            annotation_id=annotation_id,
            user_id=user_id,
            image_id=image_id,
            seconds=0.0,
            clicks=0,
            strokes=0,
            finished_at=0.0,
        )
        session.add(effort)
    return effort
