import numpy as np
import pytest

from anymask.core.detection_scores import hits_of, rank_answers
from anymask.core.errors import InvalidInputError


def test_precision_and_recall_go_down_the_ranking() -> None:
    ranked = rank_answers([0.1, 0.9, 0.5, 0.7], [True, True, False, True], 4)
    assert ranked.confidences.tolist() == [0.9, 0.7, 0.5, 0.1]
    np.testing.assert_allclose(ranked.precision, [1, 1, 2 / 3, 3 / 4])
    np.testing.assert_allclose(ranked.recall, [0.25, 0.5, 0.5, 0.75])
    # Two at precision 1; the last one at 3/4, which also lifts the miss before it.
    assert ranked.average_precision == pytest.approx(0.5 + 0.25 * 0.75)


def test_the_last_answer_of_a_precision_takes_in_dips_before_it() -> None:
    ranked = rank_answers([4, 3, 2, 1], [True, False, True, False], 2)
    assert ranked.last_at(0.6) == 2
    assert ranked.last_at(1.0) == 0
    assert ranked.last_at(1.0, min_answers=2) is None


def test_no_answers_and_no_targets_score_nothing() -> None:
    assert rank_answers([], [], 3).average_precision == 0
    assert rank_answers([], [], 3).last_at(0.5) is None
    assert rank_answers([0.5], [False], 0).recall.tolist() == [0]


def test_a_hit_is_needed_for_each_confidence() -> None:
    with pytest.raises(InvalidInputError, match="hits must be one for each confidence"):
        rank_answers([0.5, 0.6], [True], 1)


def test_a_target_is_found_once() -> None:
    assert hits_of([[0.9], [0.95]], 0.5) == [True, False]
    assert hits_of(np.zeros((2, 0)), 0.5) == [False, False]
