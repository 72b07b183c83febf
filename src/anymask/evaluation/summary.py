"""Turn what a suite measured into rows: a mean and an interval a metric, for sets and over sets."""

import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from anymask.evaluation.metrics.bootstrap import (
    correlation,
    interval,
    resample_correlations,
    resample_means,
)
from anymask.evaluation.protocol import EvalRow, SetScores

CORRELATION = "iou_prediction_correlation"
MEAN_ALL = "mean of all sets"
MEAN_OBJECTS = "mean of object sets"
# Sets whose masks are whole objects and things; the others hold cells, grains and label-map pieces.
OBJECT_SETS = frozenset({"coco", "coco_panoptic", "davis", "ecssd", "food_indonesia"})


def summarise(scores: Sequence[SetScores], *, seed: int = 0) -> tuple[EvalRow, ...]:
    """Return the rows of each set of one suite, then of the means over all sets and object sets.

    A mean over sets weighs every set alike; its interval resamples images within each set. It is
    left out where it would cover one set only.
    """
    resampled = {item.dataset: _resample(item, seed) for item in scores}
    rows = [row for item in scores for row in _set_rows(item, resampled[item.dataset])]
    objects = [item for item in scores if item.dataset in OBJECT_SETS]
    if len(scores) > 1:
        rows += _mean_rows(MEAN_ALL, scores, resampled)
    if 1 < len(objects) < len(scores):
        rows += _mean_rows(MEAN_OBJECTS, objects, resampled)
    return tuple(rows)


def _resample(scores: SetScores, seed: int) -> dict[str, NDArray[np.float64]]:
    # The name is part of the seed: sets are drawn independently, in whatever order they come.
    set_seed = zlib.crc32(scores.dataset.encode()) ^ seed
    table = np.stack(list(scores.values.values()), axis=1)
    means = resample_means(table, scores.image_index, seed=set_seed)
    correlations = resample_correlations(
        scores.predicted_ious, scores.true_ious, scores.image_index, seed=set_seed
    )
    return {**dict(zip(scores.values, means.T, strict=True)), CORRELATION: correlations}


def _set_values(scores: SetScores) -> dict[str, float]:
    means = {metric: float(np.mean(values)) for metric, values in scores.values.items()}
    return {**means, CORRELATION: correlation(scores.predicted_ious, scores.true_ious)}


def _set_rows(scores: SetScores, resampled: dict[str, NDArray[np.float64]]) -> list[EvalRow]:
    rows = []
    for metric, value in _set_values(scores).items():
        low, high = interval(resampled[metric])
        rows.append(
            EvalRow(
                suite=scores.suite,
                dataset=scores.dataset,
                metric=metric,
                value=value,
                low=low,
                high=high,
                num_masks=len(scores.image_index),
                num_images=len(np.unique(scores.image_index)),
            )
        )
    return rows


def _mean_rows(
    name: str,
    scores: Sequence[SetScores],
    resampled: dict[str, dict[str, NDArray[np.float64]]],
) -> list[EvalRow]:
    values = [_set_values(item) for item in scores]
    rows = []
    for metric in values[0]:
        draws = np.mean([resampled[item.dataset][metric] for item in scores], axis=0)
        low, high = interval(draws)
        rows.append(
            EvalRow(
                suite=scores[0].suite,
                dataset=name,
                metric=metric,
                value=float(np.mean([item[metric] for item in values])),
                low=low,
                high=high,
                num_masks=sum(len(item.image_index) for item in scores),
                num_images=sum(len(np.unique(item.image_index)) for item in scores),
            )
        )
    return rows
