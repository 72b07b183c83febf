"""Box to mask: from the target's tight box, the model's mask beside what simple methods find."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.core.prompts import Prompt
from anymask.dataset.coco_folder import LabelledImage, LabelledMask
from anymask.evaluation.grabcut import GrabCut
from anymask.evaluation.metrics.iou import masks_iou
from anymask.evaluation.protocol import Predictor, SetScores
from anymask.evaluation.sampling import read_labelled_image

SUITE = "box_to_mask"
MAX_PROMPTS_PER_BATCH = 64  # Bounds memory where one image has hundreds of masks.


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
    predicted: list[NDArray[np.float64]] = []
    true: list[NDArray[np.float64]] = []
    single: list[float] = []
    default: list[float] = []
    filled: list[float] = []
    cut: list[float] = []
    for i, image in enumerate(images):
        pixels = read_labelled_image(image)
        embedding = predictor.embed(pixels)
        for start in range(0, len(image.masks), MAX_PROMPTS_PER_BATCH):
            masks = image.masks[start : start + MAX_PROMPTS_PER_BATCH]
            default += _answer_boxes(predictor, embedding, masks)
            for answer, true_ious, single_iou in _predict_boxes(predictor, embedding, masks):
                predicted.append(answer)
                true.append(true_ious)
                single.append(single_iou)
        filled += [_filled_box_iou(mask) for mask in image.masks]
        if grabcut is not None:
            cut += grabcut.score(pixels, image.masks)
        index += [i] * len(image.masks)
    predicted_ious, true_ious_all = np.array(predicted), np.array(true)
    best = predicted_ious.argmax(axis=1)
    values = {
        "miou": np.array(default),
        "miou_predicted": true_ious_all[np.arange(len(best)), best],
        "miou_oracle": true_ious_all.max(axis=1),
        "miou_single": np.array(single),
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
        true_ious=true_ious_all,
    )


def _answer_boxes(
    predictor: Predictor, embedding: Any, masks: tuple[LabelledMask, ...]
) -> list[float]:
    """Return the true IoU of the mask that each box gives when nothing more is asked for."""
    prompts = [Prompt(box=mask.rle.to_box()) for mask in masks]
    answers = predictor.predict(embedding, prompts, multimask_output=None)
    ious = []
    for mask, answer in zip(masks, answers, strict=True):
        best = int(np.argmax(answer.iou_predictions))
        target = np.ascontiguousarray(mask.rle.to_mask())
        ious.append(float(masks_iou(answer.masks[best : best + 1], target)[0]))
    return ious


def _predict_boxes(
    predictor: Predictor, embedding: Any, masks: tuple[LabelledMask, ...]
) -> Iterable[tuple[NDArray[np.float64], NDArray[np.float64], float]]:
    """Yield predicted IoUs (M,), true IoUs (M,) and the single-mask token's IoU for each mask."""
    prompts = [Prompt(box=mask.rle.to_box()) for mask in masks]
    answers = predictor.predict(embedding, prompts, multimask_output=True)
    singles = predictor.predict(embedding, prompts, multimask_output=False)
    for mask, answer, single in zip(masks, answers, singles, strict=True):
        target = np.ascontiguousarray(mask.rle.to_mask())
        predicted = np.asarray(answer.iou_predictions, dtype=np.float64)
        yield predicted, masks_iou(answer.masks, target), float(masks_iou(single.masks, target)[0])


def _filled_box_iou(mask: LabelledMask) -> float:
    x0, y0, x1, y1 = mask.rle.to_box().tolist()
    # The box is tight: the mask lies inside it, so the union is the box.
    return float(mask.rle.area / ((x1 - x0) * (y1 - y0)))
