from pathlib import Path

import numpy as np
import pytest
import torch

from anymask.model.checkpoints import build_sam, save_sam
from anymask.model.object_detector import load_detector
from anymask.model.presets import preset
from anymask.training.detector_config import DetectorConfig
from anymask.training.detector_objective import train_detector
from anymask.training.detector_views import cut_box_view
from anymask.training.examples import ImageCache, read_examples

CONFIG = DetectorConfig(
    num_steps=4,
    batch_size=2,
    views_per_image=3,
    width=16,
    num_queries=6,
    validation_fraction=0.4,
    min_box_px=3,
    validate_every=4,
    checkpoint_every=1,
)


class StopError(Exception):
    pass


def test_a_stopped_run_goes_on_as_if_it_had_not(shapes_folder: Path, tmp_path: Path) -> None:
    model = tmp_path / "tiny.safetensors"
    save_sam(build_sam(preset("tiny"), seed=0), model)
    rows = []
    whole = train_detector(shapes_folder, str(model), tmp_path / "a", CONFIG, on_row=rows.append)
    assert {"val_ap50", "val_recall50"} <= rows[-1].keys()

    def stop(row: object) -> None:
        if row["step"] == 2:  # type: ignore[index]
            raise StopError

    with pytest.raises(StopError):
        train_detector(shapes_folder, str(model), tmp_path / "b", CONFIG, on_row=stop)
    parts = train_detector(shapes_folder, str(model), tmp_path / "b", CONFIG)
    first, second = (load_detector(path)[0].state_dict() for path in (whole, parts))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_views_show_boxes_of_what_they_show(shapes_folder: Path) -> None:
    examples, _ = read_examples([shapes_folder], validation_fraction=0.0, set_weights={})
    example = examples.examples[0]
    cache, rng = ImageCache(), np.random.default_rng(0)
    whole, flipped = (
        cut_box_view(example, cache, CONFIG, 64, number, rng).boxes for number in (0, 1)
    )
    expected = np.stack([mask.to_box() for mask in example.masks]) / 64
    np.testing.assert_allclose(whole, expected)
    np.testing.assert_allclose(flipped[:, [0, 2]], 1 - expected[:, [2, 0]])
    np.testing.assert_allclose(flipped[:, [1, 3]], expected[:, [1, 3]])
