"""A model that learns from its own masks, round after round: what its errors come back as.

No person takes part. Each round masks photos by the model of the round before and trains on these
masks alone, with the filters of App. B or without. It answers what people ask of pseudo-labels.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from anymask.dataset.labelled import LabelledMask
from anymask.engine.automatic_step import automatic_config
from anymask.engine.held_out import read_held_out, score_model
from anymask.engine.plan import HeldOut
from anymask.engine.retraining import retrain
from anymask.engine.simulation.loop import Ground, draw_photos
from anymask.engine.simulation.measures import is_right
from anymask.engine.simulation.photos import KnownPhoto, write_sets
from anymask.evaluation.sampling import read_labelled_image
from anymask.inference.generator import MaskGenerator
from anymask.inference.loading import load_predictor


@dataclass(frozen=True, kw_only=True)
class SelfTrainingRound:
    """A round without people.

    Attributes:
        number: from 0, the first model as it is.
        is_filtered: whether unsure and unstable masks were left out.
        score: of the round's model on held-out photos.
        masks: that it learned from; alike the next.
        precision: share of them that fits a labelled object, a lower bound; None without masks.
    """

    number: int
    is_filtered: bool
    score: float
    masks: int
    precision: float | None


def self_train(
    ground: Ground, *, is_filtered: bool, tell: Callable[[str], None]
) -> tuple[SelfTrainingRound, ...]:
    """Return as many rounds as the loop has, each on photos of its own.

    Args:
        ground: of the simulation.
        is_filtered: leave masks out that the model's own thresholds refuse.
        tell: gets a line a round.

    Raises:
        AnymaskError: as of `retrain`.
    """
    config = ground.config
    num_rounds = config.manual_rounds + config.semi_automatic_rounds
    photos = draw_photos(ground.loop_photos, num_rounds * config.images_per_round, 0)
    folder = ground.out / "self-training" / ("filtered" if is_filtered else "unfiltered")
    model = str(ground.model)
    rounds = [_round(ground, 0, model, is_filtered, [])]
    for number in range(1, num_rounds + 1):
        data = folder / f"r{number:02d}-masks"
        masked = _masked(ground, photos[number - 1 :: num_rounds], model, is_filtered)
        useful = [photo for photo, _ in masked if photo.image.masks]
        if not useful:
            break  # nothing passed the filters: there is nothing to learn from
        write_sets(useful, data)
        run = retrain(
            config.round_training,
            [data],
            model,
            folder / f"r{number:02d}-train",
            device="cpu",
            seed=number,
        )
        model = str(run.weights_path)
        rounds.append(
            _round(ground, number, model, is_filtered, [r for _, rs in masked for r in rs])
        )
        tell(f"self-training, round {number}: {rounds[-1]}")
    return tuple(rounds)


def _masked(
    ground: Ground, photos: list[KnownPhoto], model: str, is_filtered: bool
) -> list[tuple[KnownPhoto, list[bool]]]:
    """The photos with the model's masks instead of the true ones, and which of them are right."""
    config = ground.config
    thresholds = automatic_config(config.plan("", str(ground.held_out), 0)).generator
    generator = MaskGenerator(
        load_predictor(model),
        config.points_per_side,
        pred_iou_thresh=thresholds.pred_iou_thresh if is_filtered else 0.0,
        stability_score_thresh=thresholds.stability_score_thresh if is_filtered else 0.0,
    )
    masked = []
    for photo in photos:
        found = [r.segmentation for r in generator.generate(read_labelled_image(photo.image))]
        masks = tuple(
            LabelledMask(annotation_id=i, rle=rle, category="") for i, rle in enumerate(found, 1)
        )
        right = [is_right(rle, photo.truth) for rle in found]
        masked.append((replace(photo, image=replace(photo.image, masks=masks)), right))
    return masked


def _round(
    ground: Ground, number: int, model: str, is_filtered: bool, right: list[bool]
) -> SelfTrainingRound:
    held_out = HeldOut(
        folders=(str(ground.held_out),),
        max_images=ground.config.held_out_images,
        max_masks_per_image=ground.config.masks_per_image,
    )
    scores = score_model(load_predictor(model, "cpu", "float32"), read_held_out(held_out))
    return SelfTrainingRound(
        number=number,
        is_filtered=is_filtered,
        score=scores.mean,
        masks=len(right),
        precision=float(np.mean(right)) if right else None,
    )
