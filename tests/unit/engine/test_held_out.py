from pathlib import Path

import numpy as np
import pytest

from anymask.core.errors import InvalidInputError
from anymask.engine.held_out import (
    ModelScores,
    compare_scores,
    held_out_digests,
    is_promoted,
    load_scores,
    read_held_out,
    save_scores,
    score_model,
)
from anymask.engine.plan import HeldOut, Promotion
from drawn_shapes import draw_set
from tiny_predictor import tiny_predictor


def scores(shift: float, num_images: int = 30) -> ModelScores:
    rng = np.random.default_rng(0)
    ious = rng.uniform(0.2, 0.8, (2 * num_images, 3)) + shift
    return ModelScores(ious=ious, image_index=np.repeat(np.arange(num_images), 2))


def test_a_change_that_is_alike_on_all_masks_is_certain() -> None:
    change = compare_scores(scores(0.0), scores(0.05))
    assert change.change == pytest.approx(0.05)
    assert (change.low, change.high) == pytest.approx((0.05, 0.05))
    assert (change.num_masks, change.num_images) == (60, 30)
    low, high = scores(0.0).interval()
    assert low < scores(0.0).mean < high


@pytest.mark.parametrize(
    ("rule", "tolerance", "shift", "expected"),
    [
        ("not_worse", 0.0, 0.0, True),
        ("not_worse", 0.0, -0.001, False),
        ("not_worse", 0.01, -0.005, True),
        ("better", 0.0, 0.01, True),
        ("better", 0.0, -0.01, False),
        ("always", 0.0, -0.5, True),
    ],
)
def test_the_rule_decides(rule: str, tolerance: float, shift: float, expected: bool) -> None:
    promotion = Promotion(rule=rule, tolerance=tolerance)  # type: ignore[arg-type]
    assert is_promoted(compare_scores(scores(0.0), scores(shift)), promotion) is expected


def test_a_better_mean_that_may_be_chance_is_not_certainly_better() -> None:
    rng = np.random.default_rng(1)
    before = scores(0.0)
    noise = rng.normal(0.001, 0.2, before.ious.shape)
    change = compare_scores(
        before, ModelScores(ious=before.ious + noise, image_index=before.image_index)
    )
    assert change.low < 0 < change.high
    assert not is_promoted(change, Promotion(rule="better"))


def test_models_are_compared_on_the_same_masks_only() -> None:
    with pytest.raises(InvalidInputError, match="held_out must stay as it was"):
        compare_scores(scores(0.0), scores(0.0, num_images=20))


def test_a_model_is_scored_on_the_same_masks_each_time(tmp_path: Path) -> None:
    folder = draw_set(tmp_path / "shapes", 3)
    config = HeldOut(folders=(str(folder),), max_images=2, max_masks_per_image=1)
    sets = read_held_out(config)
    assert [len(images) for images in sets.values()] == [2]
    measured = score_model(tiny_predictor(), sets)
    assert measured.ious.shape == (2, 3)
    assert measured.by_prompt().keys() == {"box", "1 click", "3 clicks"}
    save_scores(measured, tmp_path / "scores" / "tiny.npz")
    np.testing.assert_array_equal(load_scores(tmp_path / "scores" / "tiny.npz").ious, measured.ious)
    assert len(held_out_digests(config)) == 3  # also the photo that the limits leave out
    with pytest.raises(InvalidInputError, match="none with masks"):
        score_model(tiny_predictor(), {})
