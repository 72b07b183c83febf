import numpy as np
import pytest
from scipy import stats

from anymask.engine.quality.rating_figures import measure_ratings
from anymask.engine.store.ratings import GivenRating


def given(image: int, source: str, score: int, rater: str = "ada") -> GivenRating:
    return GivenRating(
        image_id=image,
        object_key="0",
        source=source,
        rater=rater,
        score=score,
        seconds=20.0 + image,
    )


def test_pairs_are_compared_on_the_objects_that_both_have() -> None:
    first, second = [9, 8, 7, 10], [6, 7, 5, 5]
    ratings = [given(image, "a", score) for image, score in enumerate(first)]
    ratings += [given(image, "b", score) for image, score in enumerate(second)]
    figures = measure_ratings([*ratings, given(9, "b", 1)])
    (pair,) = figures.pairs
    assert (pair.first, pair.second, pair.masks) == ("a", "b", 4)
    assert pair.difference.value == pytest.approx(np.mean(np.subtract(first, second)))
    assert pair.difference.low <= pair.difference.value <= pair.difference.high
    assert pair.p_value == pytest.approx(stats.ttest_rel(first, second).pvalue)
    assert figures.sources["b"].mean.value == pytest.approx(24 / 5)
    assert figures.sources["b"].histogram == (1, 0, 0, 0, 2, 1, 1, 0, 0, 0)


def test_raters_of_one_mask_count_as_one() -> None:
    ratings = [given(0, "a", 4), given(0, "a", 8, "amy"), given(1, "a", 9)]
    figures = measure_ratings(ratings)
    assert figures.sources["a"].mean.value == 7.5
    assert figures.rater_sd == pytest.approx(np.std([4, 8], ddof=1))
    assert (figures.ratings, figures.raters) == (3, 2)
    assert figures.seconds == pytest.approx(61 / 3)


def test_without_ratings_or_differences_nothing_is_made_up() -> None:
    empty = measure_ratings([])
    assert (empty.sources, empty.pairs, empty.seconds, empty.rater_sd) == ({}, (), None, None)
    (pair,) = measure_ratings([given(0, "a", 5), given(0, "b", 5)]).pairs
    assert pair.p_value is None
