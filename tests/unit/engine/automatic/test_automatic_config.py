import inspect
from dataclasses import asdict

import pytest

from anymask.core.errors import InvalidInputError, UnknownNameError
from anymask.engine.automatic.config import (
    PRESETS,
    AutomaticConfig,
    GeneratorOptions,
    automatic_preset,
)
from anymask.inference.generator import MaskGenerator
from anymask.training.settings import with_settings
from tiny_predictor import tiny_predictor


def test_options_are_those_of_the_generator() -> None:
    known = set(inspect.signature(MaskGenerator).parameters)
    assert set(asdict(GeneratorOptions())) == known - {
        "predictor",
        "grids",
        "full_size_decisions",
    }


def test_the_default_asks_the_papers_clicks() -> None:
    generator = MaskGenerator(tiny_predictor(), **asdict(GeneratorOptions()))
    assert [len(grid) for grid in generator.grids] == [32**2, 16**2, 8**2]
    assert generator.min_mask_area == generator.min_mask_region_area == 100


def test_thresholds_are_the_models_unless_the_papers_are_asked_for() -> None:
    calibrated = MaskGenerator(tiny_predictor(), **asdict(AutomaticConfig().generator))
    assert calibrated.pred_iou_thresh == tiny_predictor().model.config.pred_iou_thresh
    paper = MaskGenerator(tiny_predictor(), **asdict(automatic_preset("paper").generator))
    assert (paper.pred_iou_thresh, paper.stability_score_thresh) == (0.88, 0.95)


@pytest.mark.parametrize("name", PRESETS)
def test_presets_make_generators(name: str) -> None:
    MaskGenerator(tiny_predictor(), **asdict(automatic_preset(name).generator))


def test_settings_reach_the_generator_and_wrong_ones_are_refused() -> None:
    config = with_settings(AutomaticConfig(), ["generator.points_per_side=8", "blur=false"])
    assert config.generator.points_per_side == 8
    assert not config.blur
    with pytest.raises(InvalidInputError, match="images_per_shard must be at least 1, got 0"):
        AutomaticConfig(images_per_shard=0)
    with pytest.raises(InvalidInputError, match="photo_seconds must be above 0"):
        AutomaticConfig(photo_seconds=0)
    with pytest.raises(UnknownNameError, match="Known: calibrated, paper, quick"):
        automatic_preset("slow")


def test_only_what_decides_the_result_is_its_identity() -> None:
    patient = AutomaticConfig(num_tries=9, photo_seconds=1, model="elsewhere.safetensors")
    assert patient.outcome_json() == AutomaticConfig().outcome_json()
    assert AutomaticConfig(num_threads=2).outcome_json() != AutomaticConfig().outcome_json()
