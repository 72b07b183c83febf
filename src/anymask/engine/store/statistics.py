"""The dashboard's figures: seconds and clicks per mask, over time, by model and by annotator.

One query brings one row a mask and person (`Effort`); the log of events is not read. Databases have
no quartiles in common, so groups are added up here.
"""

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Integer, cast, func, select
from sqlalchemy.orm import Session

from anymask.engine.store.accounts import user_names
from anymask.engine.store.agreement import AgreementFigures, agreement_figures
from anymask.engine.store.prefill import ENGINE_NAME, PrefillFigures, prefill_figures
from anymask.engine.store.projects import Progress, get_progress
from anymask.engine.store.tables import Annotation, Effort, Image, ImageState, User

_DAY_SECONDS = 86400
_K = TypeVar("_K", bound=Hashable)


@dataclass(frozen=True, kw_only=True)
class EffortFigures:
    """Of a group of masks: how many, and what one cost; idle time does not count.

    Attributes:
        masks: how many.
        mean_seconds: of a mask.
        quartiles: a quarter, a half and three quarters of the masks took fewer seconds.
        mean_clicks: of a mask.
        brushed_share: of masks with a stroke of brush or eraser.
    """

    masks: int
    mean_seconds: float
    quartiles: tuple[float, float, float]
    mean_clicks: float
    brushed_share: float


@dataclass(frozen=True, kw_only=True)
class DayFigures(EffortFigures):
    """The masks that were finished on a day (UTC, as days since 1970) with the help of a model."""

    day: int
    model_id: str


@dataclass(frozen=True, kw_only=True)
class ProjectStatistics:
    """A project's figures.

    Attributes:
        progress: images by state.
        masks_per_image: mean over the images that are not waiting; None without any.
        own_masks_per_image: alike, of those masks that people made.
        prefilled: what people made of the masks that were there before them; what these cost, to
            look at or to change, is in no other figure.
        overall: over all masks whose making was logged; None without any.
        by_day: by the day (UTC, as days since 1970) on which a mask was finished.
        by_day_and_model: each day's masks by model, in order of days.
        by_model: by the model that helped; "" for masks drawn by hand.
        by_user: by the account's id.
        user_names: of these accounts.
        agreement: between people who annotated the same picture.
    """

    progress: Progress
    masks_per_image: float | None
    own_masks_per_image: float | None
    prefilled: PrefillFigures
    overall: EffortFigures | None
    by_day: dict[int, EffortFigures]
    by_day_and_model: list[DayFigures]
    by_model: dict[str, EffortFigures]
    by_user: dict[int, EffortFigures]
    user_names: dict[int, str]
    agreement: AgreementFigures


def project_statistics(session: Session, project_id: int) -> ProjectStatistics:
    """Return a project's figures; masks that were deleted do not count.

    Raises:
        NotFoundError: there is no such project.
    """
    progress = get_progress(session, project_id)
    done = progress.submitted + progress.accepted + progress.rejected
    days, models, users, *costs = _efforts(session, project_id)
    table = np.array(costs, dtype=np.float64)
    by_day_and_model = _by([*zip(days, models, strict=True)], table)
    prefilled = prefill_figures(session, project_id)
    masks = _masks_on_done_images(session, project_id)
    return ProjectStatistics(
        progress=progress,
        masks_per_image=masks / done if done else None,
        own_masks_per_image=(masks - prefilled.masks + prefilled.deleted) / done if done else None,
        prefilled=prefilled,
        overall=_figures(table) if days else None,
        by_day=_by(days, table),
        by_day_and_model=[
            DayFigures(day=day, model_id=model_id, **vars(figures))
            for (day, model_id), figures in by_day_and_model.items()
        ],
        by_model=_by(models, table),
        by_user=_by(users, table),
        user_names=user_names(session, set(users)),
        agreement=agreement_figures(session, project_id),
    )


def _efforts(session: Session, project_id: int) -> list[tuple[Any, ...]]:
    """The columns day, model, user, seconds, clicks and strokes; a row a mask and person.

    Masks that the engine put in are left out, whatever people did to them.
    """
    query = (
        select(
            cast(func.floor(Effort.finished_at / _DAY_SECONDS), Integer),
            func.coalesce(Annotation.model_id, ""),
            Effort.user_id,
            Effort.seconds,
            Effort.clicks,
            Effort.strokes,
        )
        .join(Annotation, Annotation.id == Effort.annotation_id)
        .join(Image, Image.id == Effort.image_id)
        .join(User, User.id == Annotation.author_id)
        .where(Image.project_id == project_id, ~Annotation.is_deleted, User.name != ENGINE_NAME)
    )
    rows = session.execute(query).all()
    return [*zip(*rows, strict=True)] if rows else [()] * 6


def _by(keys: Sequence[_K], table: NDArray[np.float64]) -> dict[_K, EffortFigures]:
    """The figures of the columns that have a key in common, in the order of keys."""
    groups: defaultdict[_K, list[int]] = defaultdict(list)
    for column, key in enumerate(keys):
        groups[key].append(column)
    return {
        key: _figures(table[:, columns])
        for key, columns in sorted(groups.items(), key=itemgetter(0))
    }


def _figures(table: NDArray[np.float64]) -> EffortFigures:
    """The figures of (3, N) seconds, clicks and strokes."""
    seconds, clicks, strokes = table
    low, middle, high = np.quantile(seconds, (0.25, 0.5, 0.75)).tolist()
    return EffortFigures(
        masks=len(seconds),
        mean_seconds=float(seconds.mean()),
        quartiles=(low, middle, high),
        mean_clicks=float(clicks.mean()),
        brushed_share=float((strokes > 0).mean()),
    )


def _masks_on_done_images(session: Session, project_id: int) -> int:
    query = (
        select(func.count())
        .select_from(Annotation)
        .join(Image, Image.id == Annotation.image_id)
        .where(
            Image.project_id == project_id,
            Image.state != ImageState.WAITING,
            ~Annotation.is_deleted,
        )
    )
    return session.scalar(query) or 0
