"""Stage 1 (Sec. 4, "Assisted-manual stage"): which photos a round takes, and its project.

A round is a project of the studio, whose images were added in the order of the queue: so people
get them in that order, and the project's statistics are the round's.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from anymask.core.image_io import read_image
from anymask.core.prompts import Prompt
from anymask.dataset.place_random import unit_hash
from anymask.engine.plan import QueueOptions
from anymask.engine.steps import Stage
from anymask.engine.store import members, projects
from anymask.engine.store.accounts import list_users
from anymask.engine.store.blobs import Blobs, image_blob
from anymask.engine.store.database import Database
from anymask.engine.store.prefill import prefill_figures
from anymask.engine.store.projects import ImageFile
from anymask.engine.store.statistics import project_statistics

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from anymask.inference.predictor import Predictor

# What the paper told its annotators (Sec. 4).
_GUIDELINES = {
    Stage.ASSISTED_MANUAL: "Everything you could name or describe, what catches the eye first. "
    "Go on to the next image once a mask takes over 30 seconds.",
    Stage.SEMI_AUTOMATIC: "Some masks are there already: delete those that are wrong, and add "
    "what is missing, what catches the eye first.",
}


@dataclass(frozen=True, kw_only=True)
class QueuedPhoto:
    """A photo of a round; `need` in [0, 1] is None where no model was asked."""

    file: ImageFile
    need: float | None


@dataclass(frozen=True, kw_only=True)
class RoundFigures:
    """What people did in a round.

    Attributes:
        images: that were handed in.
        masks: on them, those that were there before included.
        masks_per_image: mean.
        seconds_per_mask: mean over the masks that people made; None without any.
        clicks_per_mask: alike.
        brushed_share: of these masks, those with a stroke of brush or eraser.
        prefilled: masks that were there before, those that people deleted included.
        prefill_precision: of these, the share that people did not delete; None without any.
    """

    images: int
    masks: int
    masks_per_image: float
    seconds_per_mask: float | None
    clicks_per_mask: float | None
    brushed_share: float | None
    prefilled: int
    prefill_precision: float | None


def choose_photos(
    unused: Iterable[ImageFile],
    count: int,
    options: QueueOptions,
    predictor: "Predictor | None",
    blobs: Blobs,
    key: str,
) -> tuple[QueuedPhoto, ...]:
    """Return the round's photos in the order in which people get them: the neediest first.

    Of a random part of the unused photos the model's need of each is measured (`need_of_photo`).
    Those of the highest need take their part of the round; the rest are drawn at random. Without a
    predictor all are, in random order.

    Args:
        unused: photos that no round has had.
        count: of photos in the round, at most.
        options: of the plan.
        predictor: the current model, to measure the need.
        blobs: with the photos.
        key: of what is random, such as seed and round.
    """
    shuffled = sorted(unused, key=lambda file: unit_hash(f"{key}/{file.digest}"))
    if predictor is None:
        return tuple(QueuedPhoto(file=file, need=None) for file in shuffled[:count])
    candidates = shuffled[: count * options.candidates_per_image]
    needs = {
        file.digest: need_of_photo(
            predictor, read_image(blobs.read(image_blob(file.digest))), options.points_per_side
        )
        for file in candidates
    }
    by_need = sorted(candidates, key=lambda file: (-needs[file.digest], file.digest))
    needy = by_need[: round(count * options.need_fraction)]
    others = [file for file in candidates if file not in needy][: count - len(needy)]
    chosen = {file.digest for file in (*needy, *others)}
    return tuple(
        QueuedPhoto(file=file, need=needs[file.digest]) for file in by_need if file.digest in chosen
    )


def need_of_photo(
    predictor: "Predictor", pixels: "NDArray[np.uint8]", points_per_side: int
) -> float:
    """Return how unsure the model is of a photo: 1 less the mean sureness of a grid of clicks.

    The sureness of a click is the highest predicted IoU of its three masks times that mask's
    stability (App. B), both in [0, 1].

    Args:
        predictor: the model.
        pixels: (H, W, 3) uint8 RGB.
        points_per_side: of the grid.
    """
    import torch

    from anymask.inference.mask_tensors import stability_scores, without_padding
    from anymask.inference.point_grid import point_grid

    height, width = pixels.shape[:2]
    points = point_grid(points_per_side) * (width, height)
    prompts = [Prompt(point_coords=[xy], point_labels=[1]) for xy in points.tolist()]
    embedding = predictor.embed(pixels)
    answers = predictor.predict(embedding, prompts, multimask_output=True)
    config = predictor.model.config
    best = [answer.low_res_logits[answer.best] for answer in answers]
    logits = without_padding(torch.from_numpy(np.stack(best)), embedding.frame)
    stability = stability_scores(logits, config.mask_threshold, config.stability_score_offset)
    ious = np.array([float(answer.iou_predictions[answer.best]) for answer in answers])
    return float(1 - np.mean(np.clip(ious, 0, 1) * stability.numpy()))


def open_round(database: Database, name: str, stage: Stage, photos: Sequence[QueuedPhoto]) -> int:
    """Return the id of the round's project with the photos, made unless it is there.

    Everybody with an account becomes a member.
    """
    with database.writing() as session:
        known = {project.name: project.id for project in projects.list_projects(session)}
        project_id = known.get(name)
        if project_id is None:
            guideline = _GUIDELINES[stage]
            project_id = projects.add_project(session, name, guideline, database.now()).id
        for photo in photos:
            projects.add_image(session, project_id, photo.file, database.now())
        people = [user.id for user in list_users(session) if user.is_active]
        members.add_members(session, project_id, people)
    return project_id


def is_round_done(database: Database, project_id: int, *, needs_review: bool) -> bool:
    """Return whether all photos of the round are handed in, or accepted if reviews are needed."""
    with database.reading() as session:
        progress = projects.get_progress(session, project_id)
    open_images = progress.waiting + progress.rejected
    return open_images + (progress.submitted if needs_review else 0) == 0


def round_figures(database: Database, project_id: int) -> RoundFigures:
    """Return what people did in a round."""
    with database.reading() as session:
        statistics = project_statistics(session, project_id)
        prefilled = prefill_figures(session, project_id)
    progress, effort = statistics.progress, statistics.overall
    return RoundFigures(
        images=progress.submitted + progress.accepted + progress.rejected,
        masks=progress.masks,
        masks_per_image=statistics.masks_per_image or 0.0,
        seconds_per_mask=None if effort is None else effort.mean_seconds,
        clicks_per_mask=None if effort is None else effort.mean_clicks,
        brushed_share=None if effort is None else effort.brushed_share,
        prefilled=prefilled.masks,
        prefill_precision=prefilled.precision,
    )
