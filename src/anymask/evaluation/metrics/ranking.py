"""How well a score tells two kinds apart: the area under the ROC curve, and its resamples."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.evaluation.metrics.bootstrap import NUM_RESAMPLES


def auroc(positives: ArrayLike, negatives: ArrayLike) -> float:
    """Return the probability that a positive scores above a negative, ties half; NaN without pairs.

    >>> auroc([0.9, 0.4], [0.4, 0.1])
    0.875
    """
    wins = _wins(np.asarray(positives, np.float64), np.asarray(negatives, np.float64))
    return float(wins.mean()) if wins.size else float("nan")


def resample_auroc(
    scores: ArrayLike,
    is_positive: ArrayLike,
    image_index: ArrayLike,
    *,
    seed: int,
    num_resamples: int = NUM_RESAMPLES,
) -> NDArray[np.float64]:
    """Return (num_resamples,) the AUROC of scores (K,) over resampled images; NaN without pairs."""
    values, positive = np.asarray(scores, np.float64), np.asarray(is_positive, np.bool_)
    _, image = np.unique(np.asarray(image_index), return_inverse=True)
    num_images = int(image.max()) + 1
    # How often positives of image i win over negatives of image j: then each resample is a product.
    wins = np.zeros((num_images, num_images))
    pairs = (image[positive][:, None], image[~positive][None])
    np.add.at(wins, pairs, _wins(values[positive], values[~positive]))
    num_positive = np.bincount(image[positive], minlength=num_images)
    num_negative = np.bincount(image[~positive], minlength=num_images)
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(num_images, np.full(num_images, 1 / num_images), size=num_resamples)
    won = ((drawn @ wins) * drawn).sum(axis=1)
    possible = (drawn @ num_positive) * (drawn @ num_negative)
    result: NDArray[np.float64] = np.where(possible > 0, won / np.maximum(possible, 1), np.nan)
    return result


def _wins(positives: NDArray[np.float64], negatives: NDArray[np.float64]) -> NDArray[np.float64]:
    difference = positives[:, None] - negatives[None]
    return np.asarray((difference > 0) + 0.5 * (difference == 0), np.float64)
