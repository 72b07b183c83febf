"""Stage 2 (Sec. 4): masks that are confident enough to be put in before people come.

What finds them learns from all masks so far, with the one class "object". How sure is sure enough
is measured: on photos that it did not learn from, the threshold is the lowest confidence at which
its masks have the precision that the plan asks for. People's masks are not exhaustive, and a mask
of something that nobody annotated counts as wrong: the measured precision is a lower bound.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tqdm import tqdm

from anymask.core.detection_scores import rank_answers
from anymask.core.errors import InvalidInputError
from anymask.core.files import read_json, write_json
from anymask.core.image_io import read_image
from anymask.engine.store.agreement import match_masks
from anymask.training.detector_config import DetectorConfig, ScorerConfig
from anymask.training.settings import from_json

if TYPE_CHECKING:
    from anymask.inference.object_masks import ObjectFinder
    from anymask.inference.predictor import Predictor
    from anymask.training.examples import Example

FINDER_FILE = "finder.json"
_RUN, _SCORER = "detector", "scorer.safetensors"


@dataclass(frozen=True, kw_only=True)
class SemiAutomaticConfig:
    """How masks are put in before people come.

    Attributes:
        finder: "detector" is the paper's: boxes of a detector, for large amounts of data;
            "proposals" are the model's own masks of the whole photo, and a scorer that learns from
            a hundred photos which of them are objects.
        precision: that the masks must have on photos that were held out.
        min_answers: fewer masks above a threshold say too little about it.
        max_masks_per_image: put into one image, the surest ones.
        held_out_fraction: of the photos, by a hash of their names, that are not learned from; the
            threshold is chosen on them.
        points_per_side: of the grid of clicks that proposals come from.
        detector: how a detector is trained.
        scorer: how a scorer is.
    """

    finder: Literal["detector", "proposals"] = "proposals"
    precision: float = 0.75
    min_answers: int = 10
    max_masks_per_image: int = 40
    held_out_fraction: float = 0.25
    points_per_side: int = 24
    detector: DetectorConfig = field(default_factory=DetectorConfig)
    scorer: ScorerConfig = field(default_factory=ScorerConfig)

    def __post_init__(self) -> None:
        if not 0 < self.precision <= 1:
            raise InvalidInputError(f"precision must be in (0, 1], got {self.precision}. Try 0.9.")
        for name in ("min_answers", "max_masks_per_image"):
            if getattr(self, name) < 1:
                raise InvalidInputError(
                    f"{name} must be at least 1, got {getattr(self, name)}. Raise it."
                )


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What held-out photos say about a finder's masks; a mask is right at an IoU of .5.

    Attributes:
        threshold: of the confidence; None where no threshold has the precision that was asked for.
        precision, recall: of the masks above it; 0 without.
        masks: above it.
        average_precision: over all thresholds.
        images, targets: that were held out, and the masks that people gave them.
    """

    threshold: float | None
    precision: float
    recall: float
    masks: int
    average_precision: float
    images: int
    targets: int


@dataclass(frozen=True, kw_only=True)
class TrainedFinder:
    """A finder as it lies in its folder; `open_finder` makes it usable.

    Attributes:
        folder: with `finder.json` and the weights.
        config: of the stage.
        model_id: of the model that draws the masks.
        calibration: how sure is sure enough.
    """

    folder: Path
    config: SemiAutomaticConfig
    model_id: str
    calibration: Calibration


def train_finder(
    data: Sequence[Path],
    model: str | None,
    folder: Path,
    config: SemiAutomaticConfig,
    device: str = "auto",
) -> TrainedFinder:
    """Train and calibrate a finder, or what is left of that; one that is there is returned.

    Args:
        data: sets or folders of sets: all masks so far.
        model: that draws the masks, by name or path; None for the default one.
        folder: for the finder.
        config: of the stage.
        device: auto, cpu, cuda, ...

    Raises:
        InvalidInputError: there are no labelled images, or too few to hold some out.
        MissingExtraError: transformers is not installed, and the finder is a detector.
    """
    if (folder / FINDER_FILE).is_file():
        return read_finder(folder)
    from anymask.inference.loading import load_predictor
    from anymask.training.examples import read_examples

    predictor = load_predictor(model, device)
    learned, held_out = read_examples(
        data, validation_fraction=config.held_out_fraction, set_weights={}
    )
    if not held_out:
        raise InvalidInputError(
            "data must have photos to hold out, got none. Add photos, or raise held_out_fraction."
        )
    if config.finder == "detector":
        _train_detector(data, model, folder, config, predictor)
    else:
        _train_scorer(predictor, learned.examples, folder, config)
    finder = _finder(predictor, folder, config)
    calibration = calibrate(finder, held_out, config)
    trained = TrainedFinder(
        folder=folder, config=config, model_id=predictor.model_id, calibration=calibration
    )
    _write_finder(trained)
    return trained


def read_finder(folder: Path) -> TrainedFinder:
    """Return a finder that `train_finder` wrote; InvalidInputError if there is none."""
    value: dict[str, Any] = read_json(folder / FINDER_FILE)
    return TrainedFinder(
        folder=folder,
        config=from_json(SemiAutomaticConfig, value["config"]),
        model_id=value["model_id"],
        calibration=from_json(Calibration, value["calibration"]),
    )


def open_finder(trained: TrainedFinder, predictor: "Predictor") -> "ObjectFinder":
    """Return the finder with its model.

    Raises:
        InvalidInputError: the predictor's model is another one.
        CheckpointError: the detector's file is damaged.
    """
    if trained.model_id != predictor.model_id:
        raise InvalidInputError(
            f"finder must be of model {predictor.model_id}, got one of {trained.model_id}. "
            "Train it again."
        )
    return _finder(predictor, trained.folder, trained.config)


def calibrate(
    finder: "ObjectFinder", held_out: Sequence["Example"], config: SemiAutomaticConfig
) -> Calibration:
    """Return the lowest confidence at which the masks have the precision that is asked for.

    Args:
        finder: see `ObjectFinder`.
        held_out: labelled photos that it did not learn from.
        config: of the stage.
    """
    confidences: list[float] = []
    hits: list[bool] = []
    num_targets = 0
    for example in tqdm(held_out, "calibrate", unit="photo", disable=None):
        found = finder.find(read_image(example.read_bytes()))
        matched = {
            i for i, _, _ in match_masks([mask.segmentation for mask in found], example.masks)
        }
        confidences += [mask.confidence for mask in found]
        hits += [i in matched for i in range(len(found))]
        num_targets += len(example.masks)
    ranked = rank_answers(confidences, hits, num_targets)
    last = ranked.last_at(config.precision, config.min_answers)
    return Calibration(
        threshold=None if last is None else float(ranked.confidences[last]),
        precision=0.0 if last is None else float(ranked.precision[last]),
        recall=0.0 if last is None else float(ranked.recall[last]),
        masks=0 if last is None else last + 1,
        average_precision=ranked.average_precision,
        images=len(held_out),
        targets=num_targets,
    )


def _train_detector(
    data: Sequence[Path],
    model: str | None,
    folder: Path,
    config: SemiAutomaticConfig,
    predictor: "Predictor",
) -> None:
    from anymask.training.detector_objective import train_detector

    training = dataclasses.replace(config.detector, validation_fraction=config.held_out_fraction)
    train_detector(data, model, folder / _RUN, training, device=str(predictor.device))


def _train_scorer(
    predictor: "Predictor",
    examples: Sequence["Example"],
    folder: Path,
    config: SemiAutomaticConfig,
) -> None:
    from anymask.inference.object_masks import ProposalFinder
    from anymask.model.object_scorer import save_scorer
    from anymask.training.object_scorer import train_scorer

    proposals = ProposalFinder(predictor, points_per_side=config.points_per_side)
    scorer = train_scorer(proposals, examples, config.scorer)
    folder.mkdir(parents=True, exist_ok=True)
    save_scorer(scorer, folder / _SCORER, predictor.model_id)


def _finder(predictor: "Predictor", folder: Path, config: SemiAutomaticConfig) -> "ObjectFinder":
    from anymask.inference.object_masks import DetectorFinder, ProposalFinder

    if config.finder == "detector":
        from anymask.model.object_detector import load_detector

        return DetectorFinder(predictor, *load_detector(folder / _RUN / "weights.safetensors"))
    from anymask.model.object_scorer import load_scorer

    scorer, model_id = load_scorer(folder / _SCORER)
    return ProposalFinder(predictor, scorer, model_id, config.points_per_side)


def _write_finder(trained: TrainedFinder) -> None:
    write_json(
        trained.folder / FINDER_FILE,
        {
            "config": dataclasses.asdict(trained.config),
            "model_id": trained.model_id,
            "calibration": dataclasses.asdict(trained.calibration),
        },
    )
