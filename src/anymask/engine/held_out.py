"""Models compared on photos that no round annotates: scores of each, kept; the rule of promotion.

Every model answers the same masks, asked for by a box, by one click and by three; its score is the
mean of the three IoUs over all masks of all sets. The interval of a change is that of the
difference, mask by mask, images resampled.
"""

import hashlib
import io
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.core.errors import InvalidInputError
from anymask.core.files import write_bytes
from anymask.dataset.labelled import LabelledImage
from anymask.dataset.sets import find_sets, read_set
from anymask.engine.plan import HeldOut, Promotion
from anymask.evaluation.box_to_mask import evaluate_boxes
from anymask.evaluation.metrics.bootstrap import interval, resample_means
from anymask.evaluation.point_to_mask import evaluate_points
from anymask.evaluation.protocol import Predictor
from anymask.evaluation.sampling import SampleLimits, select_masks

PROMPTS = ("box", "1 click", "3 clicks")
SCORES_FOLDER = "engine/scores"


@dataclass(frozen=True, kw_only=True, eq=False)
class ModelScores:
    """A model's IoUs (K, 3) of K held-out masks by `PROMPTS`, and the image (K,) of each mask."""

    ious: NDArray[np.float64]
    image_index: NDArray[np.int64]

    @property
    def mean(self) -> float:
        """The model's score."""
        return float(self.ious.mean())

    def by_prompt(self) -> dict[str, float]:
        """Return the mean IoU of each of `PROMPTS`."""
        return dict(zip(PROMPTS, self.ious.mean(axis=0).tolist(), strict=True))

    def interval(self) -> tuple[float, float]:
        """Return the 95 % interval of `mean`, images resampled."""
        means = self.ious.mean(axis=1, keepdims=True)
        return interval(resample_means(means, self.image_index, seed=0)[:, 0])


@dataclass(frozen=True, kw_only=True)
class ScoreChange:
    """The scores of two models and their difference with its 95 % interval."""

    before: float
    after: float
    change: float
    low: float
    high: float
    num_masks: int
    num_images: int

    def to_json(self) -> dict[str, Any]:
        """Return the figures as plain data."""
        return asdict(self)


def read_held_out(config: HeldOut) -> dict[str, tuple[LabelledImage, ...]]:
    """Return the photos and masks by set that every model is asked for, the same ones each time.

    Raises:
        InvalidInputError: a folder is missing or holds no set.
        ImageReadError: a photo is damaged.
    """
    limits = SampleLimits(
        max_images=config.max_images, max_masks_per_image=config.max_masks_per_image
    )
    return {
        f"{Path(folder).name}/{name}": select_masks(read_set(path), limits)
        for folder in config.folders
        for name, path in find_sets(folder).items()
    }


def held_out_digests(config: HeldOut) -> frozenset[str]:
    """Return the SHA-256 of every photo in the folders, also of those that the limits leave out.

    Raises:
        InvalidInputError, ImageReadError: as of `read_held_out`.
    """
    images = (
        image
        for folder in config.folders
        for path in find_sets(folder).values()
        for image in read_set(path)
    )
    return frozenset(hashlib.sha256(image.path.read_bytes()).hexdigest() for image in images)


def score_model(predictor: Predictor, sets: dict[str, tuple[LabelledImage, ...]]) -> ModelScores:
    """Return the scores of a model.

    Raises:
        InvalidInputError: there are no masks, or a photo does not fit its masks.
        ImageReadError: a photo is damaged.
    """
    images = [image for members in sets.values() for image in members]
    if not images:
        raise InvalidInputError("held_out.folders must hold labelled photos, got none with masks.")
    boxes = evaluate_boxes(predictor, "held_out", images)
    points = evaluate_points(predictor, "held_out", images)
    columns = (boxes.values["miou"], points.values["miou_1"], points.values["miou_3"])
    return ModelScores(
        ious=np.stack(columns, axis=1).astype(np.float64), image_index=boxes.image_index
    )


def save_scores(scores: ModelScores, file: Path) -> None:
    """Keep a model's scores; OutputError says why that fails."""
    stream = io.BytesIO()
    np.savez(stream, ious=scores.ious, image_index=scores.image_index)
    file.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(file, stream.getvalue())


def load_scores(file: Path) -> ModelScores:
    """Return the scores that were kept."""
    with np.load(file) as arrays:
        return ModelScores(ious=arrays["ious"], image_index=arrays["image_index"])


def compare_scores(before: ModelScores, after: ModelScores) -> ScoreChange:
    """Return the change of the score.

    Raises:
        InvalidInputError: the two were not measured on the same masks.
    """
    if not np.array_equal(before.image_index, after.image_index):
        raise InvalidInputError(
            f"held_out must stay as it was, got scores of {len(before.image_index)} and "
            f"{len(after.image_index)} masks. Begin a new engine for other photos."
        )
    differences = (after.ious - before.ious).mean(axis=1, keepdims=True)
    low, high = interval(resample_means(differences, before.image_index, seed=0)[:, 0])
    return ScoreChange(
        before=before.mean,
        after=after.mean,
        change=float(differences.mean()),
        low=low,
        high=high,
        num_masks=len(differences),
        num_images=len(np.unique(before.image_index)),
    )


def is_promoted(change: ScoreChange, promotion: Promotion) -> bool:
    """Return whether the rule lets the new model take the current one's place."""
    if promotion.rule == "always":
        return True
    figure = change.change if promotion.rule == "not_worse" else change.low
    return figure >= -promotion.tolerance
