"""The dashboard's figures: seconds and clicks per mask, over time, by model and by annotator."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from statistics import fmean, median
from typing import Any, TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from anymask.engine.store.events import MaskEffort, mask_efforts, project_events
from anymask.engine.store.projects import Progress, get_progress
from anymask.engine.store.tables import Annotation, Image, ImageState

_DAY_SECONDS = 86400
_K = TypeVar("_K", bound=Hashable)


@dataclass(frozen=True, kw_only=True)
class Effort:
    """Of a group of masks: how many, and what one cost; idle time does not count."""

    masks: int
    mean_seconds: float
    median_seconds: float
    mean_clicks: float


@dataclass(frozen=True, kw_only=True)
class ProjectStatistics:
    """A project's figures.

    Attributes:
        progress: images by state.
        masks_per_image: mean over the images that are not waiting; None without any.
        overall: over all masks whose making was logged; None without any.
        by_day: by the day (UTC, as days since 1970) on which a mask was finished.
        by_model: by the model that helped; "" for masks drawn by hand.
        by_user: by the account's id.
    """

    progress: Progress
    masks_per_image: float | None
    overall: Effort | None
    by_day: dict[int, Effort]
    by_model: dict[str, Effort]
    by_user: dict[int, Effort]


def project_statistics(session: Session, project_id: int) -> ProjectStatistics:
    """Return a project's figures; masks that were deleted do not count.

    Raises:
        NotFoundError: there is no such project.
    """
    progress = get_progress(session, project_id)
    of_project = (
        select(Annotation.id, Annotation.model_id, Image.id, Image.state)
        .join(Image, Image.id == Annotation.image_id)
        .where(Image.project_id == project_id, ~Annotation.is_deleted)
    )
    rows: list[Any] = list(session.execute(of_project))
    model_of = {annotation_id: model or "" for annotation_id, model, _, _ in rows}
    on_done_images = sum(state != ImageState.WAITING for *_, state in rows)
    done = progress.submitted + progress.accepted + progress.rejected
    efforts = [
        effort
        for effort in mask_efforts(project_events(session, project_id))
        if effort.annotation_id in model_of
    ]
    return ProjectStatistics(
        progress=progress,
        masks_per_image=on_done_images / done if done else None,
        overall=_summary(efforts) if efforts else None,
        by_day=_by(efforts, lambda effort: int(effort.finished_at // _DAY_SECONDS)),
        by_model=_by(efforts, lambda effort: model_of[effort.annotation_id]),
        by_user=_by(efforts, lambda effort: effort.user_id),
    )


def _by(efforts: Sequence[MaskEffort], key: Callable[[MaskEffort], _K]) -> dict[_K, Effort]:
    groups: defaultdict[_K, list[MaskEffort]] = defaultdict(list)
    for effort in efforts:
        groups[key(effort)].append(effort)
    return {
        group: _summary(of_group) for group, of_group in sorted(groups.items(), key=itemgetter(0))
    }


def _summary(efforts: Sequence[MaskEffort]) -> Effort:
    seconds = [effort.seconds for effort in efforts]
    return Effort(
        masks=len(efforts),
        mean_seconds=fmean(seconds),
        median_seconds=median(seconds),
        mean_clicks=fmean(effort.clicks for effort in efforts),
    )
