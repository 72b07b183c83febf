from pathlib import Path

import numpy as np
import pytest

from anymask.engine.held_out import ModelScores
from anymask.engine.simulation.measures import FilterFigures, ModelMeasures
from anymask.engine.simulation.report import write_report
from anymask.engine.simulation.results import Claim, RoundResult, SeedResult, claims, estimate


def scores(mean: float) -> ModelScores:
    return ModelScores(ious=np.full((6, 3), mean), image_index=np.array([0, 0, 1, 1, 2, 2]))


def measures(seconds: float) -> ModelMeasures:
    figures = FilterFigures(masks=4, precision=0.5)
    return ModelMeasures(
        seconds_per_mask=seconds,
        clicks_per_mask=2.0,
        brushed_share=0.5,
        masks_per_image=4.0,
        automatic=dict.fromkeys(("none", "confidence", "stability", "both"), figures),
    )


def a_round(number: int, stage: str, seconds: float | None, masks: float | None) -> RoundResult:
    return RoundResult(
        number=number,
        stage=stage,
        score=0.5,
        score_by_prompt={"box": 0.6, "1 click": 0.4, "3 clicks": 0.5},
        measures=measures(seconds or 34.0),
        is_promoted=None if number == 0 else True,
        seconds_per_mask=seconds,
        clicks_per_mask=None if seconds is None else 3.0,
        brushed_share=None if seconds is None else 0.5,
        masks_per_image=masks,
    )


def a_seed(seed: int, last_seconds: float, gain: float = 0.1) -> SeedResult:
    return SeedResult(
        seed=seed,
        rounds=(
            a_round(0, "start", None, None),
            a_round(1, "assisted-manual", 34.0, 5.0),
            a_round(2, "assisted-manual", last_seconds, 6.0),
            a_round(3, "semi-automatic", 34.0, 8.0),
        ),
        before=scores(0.4),
        after=scores(0.4 + gain),
        control=None,
        automatic_images=3,
        automatic_masks=9,
        step_seconds={"r01-train": 2.0},
    )


def test_an_interval_over_three_seeds_is_students() -> None:
    found = estimate([1.0, 2.0, 3.0])
    assert found.mean == 2.0
    assert found.high == pytest.approx(2 + 4.302653 / 3**0.5, abs=1e-5)
    assert estimate([1.0]).low is None


def test_claims_are_told_as_they_are() -> None:
    found = claims([a_seed(seed, last_seconds=17.0 + seed) for seed in range(3)])
    assert [claim.verdict for claim in found] == ["holds"] * 4
    assert found[0].estimate.mean == pytest.approx(100 * (1 - 18 / 34))
    assert found[2].estimate.mean == pytest.approx(8 - 5.5)
    assert found[3].estimate.mean == pytest.approx(10)
    failed = claims([a_seed(0, last_seconds=30.0, gain=-0.1)])
    assert failed[0].verdict == failed[3].verdict == "does not hold here"


def test_an_interval_below_the_bar_is_said() -> None:
    shaky = Claim(text="", unit="", bar=30.0, estimate=estimate([20.0, 35.0, 40.0]))
    assert shaky.verdict.startswith("holds on average")


def test_no_change_is_no_gain() -> None:
    assert claims([a_seed(0, last_seconds=17.0, gain=0.0)])[3].verdict == "does not hold here"


def test_the_report_is_one_file_with_its_plots(tmp_path: Path) -> None:
    seeds = [a_seed(seed, last_seconds=20.0) for seed in range(2)]
    page = write_report(seeds, tmp_path, {"seeds": "2 <b>"})
    text = page.read_text()
    assert text.count("data:image/png;base64,") == 6
    assert "2 &lt;b&gt;" in text
    assert "nan" not in text.lower().split("base64")[0]
    assert (tmp_path / "results.json").is_file()
    assert len(list(tmp_path.glob("plot-*.png"))) == 6
