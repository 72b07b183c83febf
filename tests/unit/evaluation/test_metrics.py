"""IoU, number of clicks and the bootstrap against values known beforehand."""

import numpy as np
import pytest

from anymask.evaluation.metrics.bootstrap import (
    correlation,
    interval,
    resample_correlations,
    resample_means,
)
from anymask.evaluation.metrics.iou import masks_iou
from anymask.evaluation.metrics.noc import number_of_clicks


def test_iou_of_two_halves_is_a_third() -> None:
    masks = np.zeros((3, 2, 3), dtype=bool)
    masks[0, :, :2], masks[1, :, 1:] = True, True
    np.testing.assert_allclose(masks_iou(masks, masks[0]), [1, 1 / 3, 0])


def test_iou_of_two_empty_masks_is_one() -> None:
    assert masks_iou(np.zeros((1, 2, 2), dtype=bool), np.zeros((2, 2), dtype=bool)).tolist() == [1]


def test_number_of_clicks_is_the_first_that_reaches_the_threshold() -> None:
    ious = np.array([[0.2, 0.85, 0.8, 0.99], [0.9, 0.1, 0.1, 0.1], [0.1, 0.2, 0.3, 0.4]])
    assert number_of_clicks(ious, 0.85).tolist() == [2, 1, 4]


def test_interval_covers_the_true_mean_about_95_times_in_100() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for trial in range(200):
        of_image = rng.normal(0.5, 0.1, size=60)
        image = np.repeat(np.arange(60), 4)
        values = of_image[image] + rng.normal(0, 0.05, size=240)
        means = resample_means(values[:, None], image, seed=trial, num_resamples=500)
        low, high = interval(means[:, 0])
        covered += low <= 0.5 <= high
    assert 180 <= covered <= 199


def test_masks_of_one_image_do_not_narrow_the_interval() -> None:
    values = np.random.default_rng(0).random(30)
    once = resample_means(values[:, None], np.arange(30), seed=1)
    copied = resample_means(np.repeat(values, 50)[:, None], np.repeat(np.arange(30), 50), seed=1)
    np.testing.assert_allclose(interval(copied[:, 0]), interval(once[:, 0]))


def test_resamples_repeat_with_their_seed_and_keep_columns_together() -> None:
    values = np.random.default_rng(0).random((20, 1))
    table = np.concatenate([values, 2 * values], axis=1)
    image = np.arange(20) // 2
    means = resample_means(table, image, seed=5, num_resamples=1500)
    assert means.shape == (1500, 2)
    np.testing.assert_allclose(means[:, 1], 2 * means[:, 0])
    np.testing.assert_array_equal(means, resample_means(table, image, seed=5, num_resamples=1500))


def test_one_image_gives_an_interval_of_no_width() -> None:
    means = resample_means(np.array([[0.25], [0.75]]), np.array([7, 7]), seed=0)
    assert interval(means[:, 0]) == (0.5, 0.5)


def test_correlation_is_pearsons() -> None:
    rng = np.random.default_rng(3)
    x = rng.random((50, 3))
    y = x + rng.random((50, 3))
    assert correlation(x, y) == pytest.approx(np.corrcoef(x.ravel(), y.ravel())[0, 1])
    resampled = resample_correlations(x, y, np.arange(50), seed=0)
    low, high = interval(resampled)
    assert low < correlation(x, y) < high <= 1


def test_correlation_with_a_constant_is_undefined_and_warns_nobody() -> None:
    constant = np.full((5, 1), 0.7)
    assert np.isnan(correlation(constant, np.random.default_rng(0).random((5, 1))))
    low, high = interval(resample_correlations(constant, constant, np.arange(5), seed=0))
    assert np.isnan(low)
    assert np.isnan(high)
