import numpy as np
import pytest

from anymask.engine.simulation.time_model import COCO_DRAW_SECONDS, TimeModel


def test_a_box_by_extreme_points_takes_the_papers_seven_seconds() -> None:
    time = TimeModel()
    assert time.find + 4 * time.click == pytest.approx(7.0)
    assert time.find > 0


def test_chance_leaves_the_mean_as_it_is() -> None:
    rng = np.random.default_rng(0)
    taken = [TimeModel().taken(10.0, rng) for _ in range(20_000)]
    assert np.mean(taken) == pytest.approx(10.0, rel=0.01)
    assert min(taken) > 0
    assert TimeModel(spread=0.0).taken(10.0, rng) == 10.0


def test_freehand_is_faster_than_polygons() -> None:
    assert TimeModel().draw_seconds < COCO_DRAW_SECONDS
