"""Masks that the engine put into images before people came, and what people made of them.

They are annotations like any other, of the engine's own account: whoever works on the image may
change and delete them. Their `prompts` say where they are from: `{"source": "detector", "score":
0.9, "box": [x0, y0, x1, y1]}`.
"""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from anymask.engine.store.accounts import NO_PASSWORD, add_user, find_user
from anymask.engine.store.imports import id_of_content
from anymask.engine.store.tables import Annotation, Image, ImageState, Role, User

ENGINE_NAME = "engine"
"""The account that is the author of these masks; nobody can log in to it."""


@dataclass(frozen=True, kw_only=True)
class PrefillFigures:
    """What people made of the masks that were there, on images that are not waiting any more.

    Attributes:
        masks: that were put in.
        kept: as they were.
        changed: to other pixels.
        deleted: as they were wrong.
    """

    masks: int
    kept: int
    changed: int
    deleted: int

    @property
    def precision(self) -> float | None:
        """The share that was not deleted; None without masks."""
        return (self.kept + self.changed) / self.masks if self.masks else None


def engine_account(session: Session, now: float) -> User:
    """Return the engine's account, made when it is first asked for."""
    return find_user(session, ENGINE_NAME) or add_user(
        session, ENGINE_NAME, NO_PASSWORD, Role.ANNOTATOR, now
    )


def prefill_figures(session: Session, project_id: int) -> PrefillFigures:
    """Return what people made of a project's prefilled masks."""
    query = (
        select(Annotation)
        .join(User, User.id == Annotation.author_id)
        .join(Image, Image.id == Annotation.image_id)
        .where(
            User.name == ENGINE_NAME,
            Image.project_id == project_id,
            Image.state != ImageState.WAITING,
        )
    )
    masks = kept = deleted = 0
    for row in session.scalars(query):
        masks += 1
        deleted += row.is_deleted
        # Its id was made of the pixels that it had.
        kept += not row.is_deleted and row.id == id_of_content(row.image_id, "", row.counts)
    return PrefillFigures(masks=masks, kept=kept, changed=masks - kept - deleted, deleted=deleted)
