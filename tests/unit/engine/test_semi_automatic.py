from pathlib import Path

import numpy as np
import pytest

from anymask.core.errors import InvalidInputError
from anymask.engine.semi_automatic import (
    SemiAutomaticConfig,
    open_finder,
    read_finder,
    train_finder,
)
from anymask.inference.loading import load_predictor
from anymask.training.detector_config import DetectorConfig, ScorerConfig
from engine_people import save_tiny

CONFIG = SemiAutomaticConfig(
    held_out_fraction=0.4,
    points_per_side=4,
    detector=DetectorConfig(num_steps=2, batch_size=2, width=16, num_queries=6, min_box_px=3),
    scorer=ScorerConfig(num_steps=5, batch_size=8, width=8),
)


@pytest.mark.parametrize("kind", ["proposals", "detector"])
def test_a_finder_is_trained_once_and_read_back(
    kind: str, shapes_folder: Path, tmp_path: Path
) -> None:
    config = SemiAutomaticConfig(**{**vars(CONFIG), "finder": kind})
    model = save_tiny(tmp_path / "tiny.safetensors")
    trained = train_finder([shapes_folder], str(model), tmp_path / "finder", config, "cpu")
    assert trained == read_finder(tmp_path / "finder")
    assert trained.calibration.targets == 2 * trained.calibration.images > 0
    before = (tmp_path / "finder" / "finder.json").stat().st_mtime_ns
    assert train_finder([shapes_folder], str(model), tmp_path / "finder", config) == trained
    assert (tmp_path / "finder" / "finder.json").stat().st_mtime_ns == before

    finder = open_finder(trained, load_predictor(str(model), "cpu", "float32"))
    assert finder.name == kind
    finder.find(np.zeros((30, 40, 3), dtype=np.uint8))
    other = load_predictor(str(save_tiny(tmp_path / "other.safetensors", seed=8)), "cpu")
    with pytest.raises(InvalidInputError, match="finder must be of model"):
        open_finder(trained, other)


def test_settings_are_checked() -> None:
    with pytest.raises(InvalidInputError, match="precision must be in"):
        SemiAutomaticConfig(precision=0)
    with pytest.raises(InvalidInputError, match="min_answers must be at least 1"):
        SemiAutomaticConfig(min_answers=0)
