"""Regions of pictures to conceal: proposed by detectors, put right by reviewers, for exports."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from anymask.core.errors import ConflictError
from anymask.core.records import Box
from anymask.dataset.privacy.regions import PERSON, Region, RegionKind
from anymask.engine.store.projects import get_image, get_project
from anymask.engine.store.tables import Concealment, Image, ImageState, User


@dataclass(frozen=True, kw_only=True)
class Concealed:
    """A picture's regions as they are stored.

    Attributes:
        regions: to conceal.
        version: of this state; 0 while nothing is stored.
        is_done: whether a reviewer said that these are all.
    """

    regions: tuple[Region, ...] = ()
    version: int = 0
    is_done: bool = False


def get_concealed(session: Session, project_id: int, digest: str) -> Concealed:
    """Return what is stored of a project's picture; version 0 if nothing is."""
    row = session.get(Concealment, (project_id, digest))
    return Concealed() if row is None else _value(row)


def list_concealed(
    session: Session, project_id: int, *, is_done: bool | None = None, after: int = 0, limit: int
) -> list[tuple[Image, Concealed]]:
    """Return a project's pictures, each once, in the order in which they were added.

    Args:
        session: reading.
        project_id: of which project.
        is_done: only those that a reviewer has seen to, or has not; None for all.
        after: only those with a higher id, for the next page.
        limit: at most so many.

    Raises:
        NotFoundError: there is no such project.
    """
    get_project(session, project_id)
    same = and_(Concealment.project_id == Image.project_id, Concealment.digest == Image.digest)
    query = (
        select(Image, Concealment)
        .outerjoin(Concealment, same)
        .where(Image.project_id == project_id, Image.copy_number == 0, Image.id > after)
        .order_by(Image.id)
        .limit(limit)
    )
    if is_done is not None:
        seen = Concealment.reviewer_id.is_not(None)
        query = query.where(seen if is_done else Concealment.reviewer_id.is_(None))
    return [
        (image, Concealed() if row is None else _value(row))
        for image, row in session.execute(query)
    ]


def check_reviewed(session: Session, project_id: int, state: ImageState | None = None) -> None:
    """Raise ConflictError unless a reviewer has seen to every picture with images in that state."""
    same = and_(Concealment.project_id == Image.project_id, Concealment.digest == Image.digest)
    query = (
        select(func.count(func.distinct(Image.digest)))
        .outerjoin(Concealment, same)
        .where(Image.project_id == project_id, Concealment.reviewer_id.is_(None))
    )
    if state is not None:
        query = query.where(Image.state == state)
    if left := session.scalar(query):
        raise ConflictError(
            f"pictures must all be reviewed for faces and plates, got {left} that are not. "
            "Review them, or export without reviewed.",
            "reviewed",
        )


def propose(
    session: Session, project_id: int, digest: str, regions: Sequence[Region], now: float
) -> Concealed:
    """Return what is stored of a picture after detectors have looked: theirs, if it was nothing."""
    row = session.get(Concealment, (project_id, digest))
    if row is None:
        row = Concealment(project_id=project_id, digest=digest, version=1, updated_at=now)
        row.regions = [region.to_json() for region in regions]
        session.add(row)
        session.flush()
    return _value(row)


def review(
    session: Session,
    image_id: int,
    boxes: Sequence[tuple[Box, RegionKind]],
    *,
    version: int,
    is_done: bool,
    user: User,
    now: float,
) -> Concealed:
    """Return what is stored of a picture after a reviewer has put it right.

    A box that was there keeps its detector and score; any other is the person's own.

    Args:
        session: writing.
        image_id: any copy of the picture.
        boxes: all of its regions: xyxy in pixels, and what each shows.
        version: the stored one that the change was made to.
        is_done: whether these are all.
        user: the reviewer.
        now: seconds since 1970.

    Raises:
        NotFoundError: there is no such image.
        ConflictError: somebody else has changed the regions meanwhile.
        InvalidInputError: a box is empty.
    """
    image = get_image(session, image_id)
    key = (image.project_id, image.digest)
    row = session.get(Concealment, key, with_for_update=True)
    before = Concealed() if row is None else _value(row)
    if version != before.version:
        raise ConflictError(
            f"version must be the stored {before.version}, got {version}. Somebody else changed "
            "the regions: load them again.",
            "version",
        )
    known = {(region.box, region.kind): region for region in before.regions}
    regions = [
        known.get((box, kind)) or Region(box=box, kind=kind, score=1.0, source=PERSON)
        for box, kind in boxes
    ]
    if row is None:
        row = Concealment(project_id=image.project_id, digest=image.digest)
        session.add(row)
    row.regions = [region.to_json() for region in regions]
    row.version = version + 1
    row.reviewer_id = user.id if is_done else None
    row.updated_at = now
    session.flush()
    return _value(row)


def _value(row: Concealment) -> Concealed:
    return Concealed(
        regions=tuple(Region.from_json(region) for region in row.regions),
        version=row.version,
        is_done=row.reviewer_id is not None,
    )
