"""What a model is worth to people, and by itself: measured on photos that no round annotates."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from anymask.core.files import read_json, write_json
from anymask.core.records import MaskRecord
from anymask.core.rle import Rle
from anymask.engine.automatic.config import GeneratorOptions
from anymask.engine.simulation.annotator import Habits, SimulatedAnnotator
from anymask.engine.simulation.crowd import photo_number
from anymask.engine.simulation.deeds import MadeMask
from anymask.engine.simulation.photos import KnownPhoto
from anymask.evaluation.metrics.iou import masks_iou
from anymask.evaluation.sampling import read_labelled_image
from anymask.inference.generator import MaskGenerator
from anymask.inference.predictor import Predictor
from anymask.model.config import SamConfig

RIGHT_IOU = 0.5
"""An automatic mask is right if it fits some labelled object so well. As labels are not exhaustive,
its share of all masks is a lower bound of their precision."""


@dataclass(frozen=True, kw_only=True)
class FilterFigures:
    """The automatic masks that a filter lets through: how many, and the share that is right."""

    masks: int
    precision: float | None


@dataclass(frozen=True, kw_only=True)
class ModelMeasures:
    """A model measured on a few labelled photos.

    Attributes:
        seconds_per_mask: of one simulated person who annotates them; alike the next three.
        clicks_per_mask: see there.
        brushed_share: of masks with a stroke.
        masks_per_image: until everything is labelled, or the person left.
        automatic: by filter ("none", "confidence", "stability", "both").
    """

    seconds_per_mask: float
    clicks_per_mask: float
    brushed_share: float
    masks_per_image: float
    automatic: dict[str, FilterFigures]


def measure_model(
    predictor: Predictor,
    photos: Sequence[KnownPhoto],
    *,
    points_per_side: int,
    habits: Habits,
    thresholds: GeneratorOptions,
) -> ModelMeasures:
    """Return what a person and the model alone make of the photos.

    Args:
        predictor: the model.
        photos: that it has not seen.
        points_per_side: of the grid of clicks that it is asked by itself.
        habits: of the person.
        thresholds: the filters whose effect is measured are those of the automatic stage.

    Raises:
        ImageReadError: a photo is damaged.
    """
    # Without filters, as all are wanted; of overlapping boxes the better one stays as ever.
    generator = MaskGenerator(
        predictor, points_per_side, pred_iou_thresh=0.0, stability_score_thresh=0.0
    )
    person = SimulatedAnnotator(predictor, habits=habits)
    masks: list[MadeMask] = []
    found: list[tuple[MaskRecord, bool]] = []
    for photo in photos:
        pixels = read_labelled_image(photo.image)
        masks += person.annotate(pixels, photo.truth, photo=photo_number(photo.digest)).masks
        found += [(r, is_right(r.segmentation, photo.truth)) for r in generator.generate(pixels)]
    return ModelMeasures(
        seconds_per_mask=float(np.mean([mask.seconds for mask in masks])),
        clicks_per_mask=float(np.mean([mask.clicks for mask in masks])),
        brushed_share=float(np.mean([mask.strokes > 0 for mask in masks])),
        masks_per_image=len(masks) / len(photos),
        automatic=_by_filter(found, thresholds, predictor.model.config),
    )


def is_right(mask: Rle, truth: Sequence[Rle]) -> bool:
    """Return whether the mask fits one of the objects."""
    return best_iou(mask, truth) >= RIGHT_IOU


def best_iou(mask: Rle, truth: Sequence[Rle]) -> float:
    """Return the highest IoU of the mask with any of the objects; 0 without any."""
    pixels = mask.to_mask()
    return max((float(masks_iou(one.to_mask()[None], pixels)[0]) for one in truth), default=0.0)


def kept_measures(file: Path, measure: Callable[[], ModelMeasures]) -> ModelMeasures:
    """Return the measures in a file, measured first if it is not there."""
    if not file.is_file():
        write_json(file, dataclasses.asdict(measure()))
    value = read_json(file)
    automatic = {name: FilterFigures(**row) for name, row in value.pop("automatic").items()}
    return ModelMeasures(**value, automatic=automatic)


def _by_filter(
    found: Sequence[tuple[MaskRecord, bool]], thresholds: GeneratorOptions, config: SamConfig
) -> dict[str, FilterFigures]:
    """The figures of what the thresholds let through (App. B); None is the model's own."""
    least_iou, least_stability = thresholds.pred_iou_thresh, thresholds.stability_score_thresh
    least_iou = config.pred_iou_thresh if least_iou is None else least_iou
    least_stability = config.stability_score_thresh if least_stability is None else least_stability
    passes: dict[str, Callable[[MaskRecord], bool]] = {
        "none": lambda record: True,
        "confidence": lambda record: record.predicted_iou > least_iou,
        "stability": lambda record: record.stability_score >= least_stability,
        "both": lambda record: passes["confidence"](record) and passes["stability"](record),
    }
    figures = {}
    for name, is_kept in passes.items():
        right = [is_good for record, is_good in found if is_kept(record)]
        precision = float(np.mean(right)) if right else None
        figures[name] = FilterFigures(masks=len(right), precision=precision)
    return figures
