"""What annotators did and when, by the server's clock; the time that each mask took comes of it."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from operator import attrgetter
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from anymask.engine.store.projects import get_image
from anymask.engine.store.tables import Event, Image, User

MAX_AGE_SECONDS = 600.0
"""How long before it was sent an event may have happened; for more no browser is believed."""


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


@dataclass(frozen=True, kw_only=True)
class MaskEffort:
    """What one mask cost: seconds without idle time, clicks, and when it was last worked on."""

    annotation_id: str
    user_id: int
    image_id: int
    seconds: float
    clicks: int
    finished_at: float


def log_actions(
    session: Session, image_id: int, user: User, actions: Sequence[Action], now: float
) -> None:
    """Keep actions in their order, stamped; none comes before what the account did earlier.

    Raises:
        NotFoundError: there is no such image.
    """
    get_image(session, image_id)
    last = session.scalar(
        select(func.max(Event.happened_at)).where(
            Event.image_id == image_id, Event.user_id == user.id
        )
    )
    at = last or 0.0
    for action in actions:
        age = min(max(action.age_seconds, 0.0), MAX_AGE_SECONDS)
        at = min(max(at, now - age), now)
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


def project_events(session: Session, project_id: int) -> Iterator[Event]:
    """Yield a project's events, image by image and person by person, each in order."""
    query = (
        select(Event)
        .join(Image, Image.id == Event.image_id)
        .where(Image.project_id == project_id)
        .order_by(Event.image_id, Event.user_id, Event.id)
        .execution_options(yield_per=1000)
    )
    yield from session.scalars(query)


def mask_efforts(events: Iterable[Event], idle_seconds: float = 60.0) -> list[MaskEffort]:
    """Return what each mask cost, of events ordered by image, person and time.

    The time up to an event belongs to the event's mask; a pause longer than `idle_seconds` to none.
    """
    efforts: dict[tuple[str, int], MaskEffort] = {}
    for (image_id, user_id), of_one in groupby(events, attrgetter("image_id", "user_id")):
        before: float | None = None
        for event in of_one:
            pause = 0.0 if before is None else event.happened_at - before
            before = event.happened_at
            if event.annotation_id is None:
                continue
            key = event.annotation_id, user_id
            known = efforts.get(key)
            efforts[key] = MaskEffort(
                annotation_id=event.annotation_id,
                user_id=user_id,
                image_id=image_id,
                seconds=(known.seconds if known else 0.0)
                + (pause if pause <= idle_seconds else 0.0),
                clicks=(known.clicks if known else 0) + (event.kind == "click"),
                finished_at=event.happened_at,
            )
    return list(efforts.values())
