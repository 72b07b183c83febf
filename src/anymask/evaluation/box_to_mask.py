"""Box to mask: from the target's tight box, the model's mask beside what simple methods find."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.core.prompts import Prompt
from anymask.dataset.labelled import LabelledImage, LabelledMask
from anymask.evaluation.grabcut import GrabCut
from anymask.evaluation.metrics.iou import masks_iou
from anymask.evaluation.protocol import Predictor, SetScores
from anymask.evaluation.sampling import read_labelled_image

SUITE = "box_to_mask"
MAX_PROMPTS_PER_BATCH = 64  # Bounds memory where one image has hundreds of masks.


@dataclass(frozen=True, kw_only=True, eq=False)
class _BoxScores:
    """What one box gave: IoUs of the default answer, of three masks (M,), of the single mask."""

    default_iou: float
    predicted_ious: NDArray[np.float64]
    true_ious: NDArray[np.float64]
    single_iou: float


def evaluate_boxes(
    predictor: Predictor,
    dataset: str,
    images: Iterable[LabelledImage],
    *,
    grabcut: GrabCut | None = None,
) -> SetScores:
    """Return the scores of prompting every mask of `images` with its tight half-open box.

    Metrics: `miou`, what the model answers to a box by its own rule; `miou_predicted`, of three
    masks the one with the highest predicted IoU; `miou_oracle`, the best of the three;
    `miou_single`, the mask of the single-mask token; `miou_filled_box`, the box itself as mask;
    with `grabcut`, `miou_grabcut`.
    """
    index: list[int] = []
    boxes: list[_BoxScores] = []
    filled: list[float] = []
    cut: list[float] = []
    for i, image in enumerate(images):
        pixels = read_labelled_image(image)
        embedding = predictor.embed(pixels)
        for start in range(0, len(image.masks), MAX_PROMPTS_PER_BATCH):
            masks = image.masks[start : start + MAX_PROMPTS_PER_BATCH]
            boxes += _predict_boxes(predictor, embedding, masks)
        filled += [_filled_box_iou(mask) for mask in image.masks]
        if grabcut is not None:
            cut += grabcut.score(pixels, image.masks)
        index += [i] * len(image.masks)
    predicted_ious = np.array([box.predicted_ious for box in boxes])
    true_ious = np.array([box.true_ious for box in boxes])
    best = predicted_ious.argmax(axis=1)
    values = {
        "miou": np.array([box.default_iou for box in boxes]),
        "miou_predicted": true_ious[np.arange(len(best)), best],
        "miou_oracle": true_ious.max(axis=1),
        "miou_single": np.array([box.single_iou for box in boxes]),
        "miou_filled_box": np.array(filled),
    }
    if grabcut is not None:
        values["miou_grabcut"] = np.array(cut)
    return SetScores(
        suite=SUITE,
        dataset=dataset,
        image_index=np.array(index),
        values=values,
        predicted_ious=predicted_ious,
        true_ious=true_ious,
    )


def _predict_boxes(
    predictor: Predictor, embedding: Any, masks: tuple[LabelledMask, ...]
) -> Iterable[_BoxScores]:
    """Yield the scores of each mask's box: asked for nothing, for three masks, for one."""
    prompts = [Prompt(box=mask.rle.to_box()) for mask in masks]
    defaults = predictor.predict(embedding, prompts, multimask_output=None)
    answers = predictor.predict(embedding, prompts, multimask_output=True)
    singles = predictor.predict(embedding, prompts, multimask_output=False)
    for mask, default, answer, single in zip(masks, defaults, answers, singles, strict=True):
        target = np.ascontiguousarray(mask.rle.to_mask())
        best = int(np.argmax(default.iou_predictions))
        yield _BoxScores(
            default_iou=float(masks_iou(default.masks[best : best + 1], target)[0]),
            predicted_ious=np.asarray(answer.iou_predictions, dtype=np.float64),
            true_ious=masks_iou(answer.masks, target),
            single_iou=float(masks_iou(single.masks, target)[0]),
        )


def _filled_box_iou(mask: LabelledMask) -> float:
    x0, y0, x1, y1 = mask.rle.to_box().tolist()
    # The box is tight: the mask lies inside it, so the union is the box.
    return float(mask.rle.area / ((x1 - x0) * (y1 - y0)))
