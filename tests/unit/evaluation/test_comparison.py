import json
from pathlib import Path

import numpy as np
import pytest

from anymask.core.errors import InvalidInputError
from anymask.core.rle import Rle
from anymask.dataset.labelled import LabelledImage, LabelledMask
from anymask.evaluation.before_after import draw_before_after
from anymask.evaluation.box_to_mask import SUITE as BOXES
from anymask.evaluation.comparison import (
    COMPARED,
    Change,
    changes_to_json_lines,
    compare_scores,
    describe_fall,
    format_changes,
    plot_changes,
)
from anymask.evaluation.point_to_mask import REPORTED_CLICKS
from anymask.evaluation.point_to_mask import SUITE as POINTS
from anymask.evaluation.protocol import SetScores
from fakes import DiscPredictor


def _scores(values: dict[str, np.ndarray], dataset: str = "cells") -> SetScores:
    num_masks = len(next(iter(values.values())))
    return SetScores(
        suite=POINTS,
        dataset=dataset,
        image_index=np.arange(num_masks) // 2,
        values=values,
        predicted_ious=np.zeros((num_masks, 3)),
        true_ious=np.zeros((num_masks, 3)),
    )


def _change(**values: float) -> Change:
    fields = {"before": 0.7, "after": 0.7, "change": 0.0, "low": -0.01, "high": 0.01}
    return Change(
        dataset="cells", prompt="5 clicks", num_masks=8, num_images=4, **(fields | values)
    )


def test_interval_is_of_the_difference_not_of_the_figures() -> None:
    rng = np.random.default_rng(0)
    old = rng.uniform(0.1, 0.9, 40)  # masks differ by far more than the models do
    new = old + 0.02 + rng.normal(0, 0.005, 40)
    (change,) = compare_scores(_scores({"miou_5": old}), _scores({"miou_5": new}))
    assert change.prompt == "5 clicks"
    assert change.change == pytest.approx(change.after - change.before)
    assert 0.015 < change.low < change.change < change.high < 0.025
    assert (change.num_masks, change.num_images) == (40, 20)


def test_no_difference_is_an_interval_of_zero_width() -> None:
    old = np.linspace(0, 1, 10)
    (change,) = compare_scores(_scores({"miou_1": old}), _scores({"miou_1": old}))
    assert (change.change, change.low, change.high) == (0, 0, 0)
    assert not change.has_fallen
    assert not change.is_certain


def test_only_known_figures_are_compared_in_the_order_of_the_table() -> None:
    values = {name: np.full(4, 0.5) for name in ("miou_9", "miou_5", "miou_1", "miou_1_oracle")}
    changes = compare_scores(_scores(values), _scores(values))
    assert [c.prompt for c in changes] == ["1 click", "1 click, best of three", "5 clicks"]


def test_the_compared_figures_are_some_that_the_suites_measure() -> None:
    measured = {(POINTS, f"miou_{n}") for n in REPORTED_CLICKS}
    measured |= {(POINTS, "miou_1_oracle"), (BOXES, "miou")}
    assert set(COMPARED) <= measured


def test_scores_of_other_masks_are_refused() -> None:
    a = _scores({"miou_1": np.zeros(4)})
    for b in (_scores({"miou_1": np.zeros(6)}), _scores({"miou_1": np.zeros(4)}, "other")):
        with pytest.raises(InvalidInputError, match="same masks"):
            compare_scores(a, b)


@pytest.mark.parametrize(
    ("values", "fallen"),
    [
        ({"change": -0.02, "low": -0.03, "high": -0.01}, True),
        ({"change": -0.012, "low": -0.03, "high": 0.01}, True),  # a point, be it by chance
        ({"change": -0.005, "low": -0.009, "high": -0.001}, True),  # little, but certain
        ({"change": -0.005, "low": -0.02, "high": 0.01}, False),
        ({"change": 0.02, "low": 0.01, "high": 0.03}, False),
    ],
)
def test_what_counts_as_a_fall(values: dict[str, float], fallen: bool) -> None:
    assert _change(**values).has_fallen is fallen


def test_a_fall_within_its_interval_says_so() -> None:
    sure = _change(after=0.68, change=-0.02, low=-0.03, high=-0.01)
    doubtful = _change(after=0.68, change=-0.02, low=-0.05, high=0.01)
    assert describe_fall(sure) == (
        "cells, 5 clicks: mean IoU fell from 0.700 to 0.680 (-0.020 [-0.030, -0.010])."
    )
    assert "which may be chance" in describe_fall(doubtful)


def test_table_marks_what_fell_and_lines_hold_all_fields() -> None:
    changes = [_change(after=0.68, change=-0.02, high=-0.01), _change()]
    lines = format_changes(changes).splitlines()
    assert [line.rstrip("| ").endswith("fell") for line in lines[2:]] == [True, False]
    assert len({len(line) for line in lines}) == 1
    rows = [json.loads(line) for line in changes_to_json_lines(changes).splitlines()]
    assert rows[0]["change"] == -0.02
    assert rows[1]["num_images"] == 4


def test_plot_is_a_picture() -> None:
    pytest.importorskip("matplotlib")
    picture = plot_changes([_change(), _change(change=-0.03)], title="before and after")
    assert picture.startswith(b"\x89PNG")


def test_picture_shows_target_before_and_after(tmp_path: Path) -> None:
    from anymask.core.image_io import write_png

    size = (40, 60)
    write_png(tmp_path / "a.png", np.full((*size, 3), 120, dtype=np.uint8))
    rows, columns = np.mgrid[: size[0], : size[1]]
    disc = (rows - 20) ** 2 + (columns - 20) ** 2 <= 4  # what the fake answers to a click
    mask = LabelledMask(annotation_id=1, rle=Rle.from_mask(disc), category="disc")
    image = LabelledImage(image_id=1, path=tmp_path / "a.png", original_size=size, masks=(mask,))
    before, after = DiscPredictor(), DiscPredictor()
    sheet = draw_before_after(before, after, image)
    assert sheet.shape[0] > size[0]
    assert sheet.shape[1] > 3 * size[1]
    assert before.calls == after.calls == [(1, True)]
    np.testing.assert_array_equal(before.prompts[0].point_coords, [[20, 20]])
    panels = sheet[-size[0] :]
    # both models answer the target itself, with the click drawn on top
    np.testing.assert_array_equal(panels[:, 64:124], panels[:, 128:188])
    assert (panels[:, :60] != panels[:, 64:124]).any()
