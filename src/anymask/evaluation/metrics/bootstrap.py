"""95 % intervals by bootstrap over images, as the masks of one image are not independent."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

NUM_RESAMPLES = 10_000
_CHUNK = 1_000


def resample_sums(
    table: ArrayLike, image_index: ArrayLike, *, seed: int, num_resamples: int = NUM_RESAMPLES
) -> NDArray[np.float64]:
    """Return (num_resamples, F) the column sums of `table` (K, F) over resampled images.

    Each resample draws as many images as there are, with replacement, and takes all masks of each
    drawn image. `image_index` (K,) names the image of each mask.
    """
    values = np.asarray(table, dtype=np.float64)
    _, image = np.unique(np.asarray(image_index), return_inverse=True)
    num_images = int(image.max()) + 1
    image_sums = np.zeros((num_images, values.shape[1]))
    np.add.at(image_sums, image, values)
    rng = np.random.default_rng(seed)
    sums = np.empty((num_resamples, values.shape[1]))
    for start in range(0, num_resamples, _CHUNK):
        size = min(_CHUNK, num_resamples - start)
        drawn = rng.integers(num_images, size=(size, num_images))
        drawn += np.arange(size)[:, None] * num_images
        weights = np.bincount(drawn.ravel(), minlength=size * num_images)
        sums[start : start + size] = weights.reshape(size, num_images) @ image_sums
    return sums


def resample_means(
    table: ArrayLike, image_index: ArrayLike, *, seed: int, num_resamples: int = NUM_RESAMPLES
) -> NDArray[np.float64]:
    """Return (num_resamples, F) the column means of `table` (K, F) over resampled images."""
    values = np.asarray(table, dtype=np.float64)
    counted = np.concatenate([values, np.ones((len(values), 1))], axis=1)
    sums = resample_sums(counted, image_index, seed=seed, num_resamples=num_resamples)
    means: NDArray[np.float64] = sums[:, :-1] / sums[:, -1:]
    return means


def resample_correlations(
    x: ArrayLike,
    y: ArrayLike,
    image_index: ArrayLike,
    *,
    seed: int,
    num_resamples: int = NUM_RESAMPLES,
) -> NDArray[np.float64]:
    """Return (num_resamples,) Pearson's r of `x`, `y` (K, M) over resampled images.

    All M pairs of a mask are drawn together. NaN where `x` or `y` is constant.
    """
    moments = _moments(x, y)
    return _moments_to_correlation(
        resample_sums(moments, image_index, seed=seed, num_resamples=num_resamples)
    )


def correlation(x: ArrayLike, y: ArrayLike) -> float:
    """Return Pearson's r of all pairs of `x`, `y` (K, M), NaN if either is constant."""
    return float(_moments_to_correlation(_moments(x, y).sum(axis=0, keepdims=True))[0])


def interval(resampled: ArrayLike) -> tuple[float, float]:
    """Return the 2.5th and 97.5th percentile of `resampled` (R,) less its NaN; NaN if all are."""
    values = np.asarray(resampled, dtype=np.float64)
    values = values[np.isfinite(values)]
    if values.size == 0:
        return (float("nan"), float("nan"))
    low, high = np.percentile(values, [2.5, 97.5])
    return (float(low), float(high))


def _moments(x: ArrayLike, y: ArrayLike) -> NDArray[np.float64]:
    """Return (K, 6) sums over M of 1, x, y, xx, yy, xy, centred first to keep their precision."""
    a = np.asarray(x, dtype=np.float64)
    b = np.asarray(y, dtype=np.float64)
    a, b = a - a.mean(), b - b.mean()
    pairs = np.stack([np.ones_like(a), a, b, a * a, b * b, a * b], axis=-1)  # K M 6
    sums: NDArray[np.float64] = pairs.sum(axis=1)
    return sums


def _moments_to_correlation(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    n, a, b, aa, bb, ab = sums.T
    spread = (aa - a * a / n) * (bb - b * b / n)
    defined = spread > 1e-18 * n * n
    r: NDArray[np.float64] = np.where(
        defined, (ab - a * b / n) / np.sqrt(np.where(defined, spread, 1.0)), np.nan
    )
    return r
