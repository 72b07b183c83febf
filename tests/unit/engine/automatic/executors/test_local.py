import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anymask.core.errors import InvalidInputError
from anymask.engine.automatic.executors.local import LocalExecutor
from anymask.engine.automatic.fully_automatic import run_automatic
from automatic_release import deadly_detectors, draw_photos, save_tiny_model, tiny_config


def test_a_photo_that_ends_the_process_is_set_aside_and_the_rest_goes_on(tmp_path: Path) -> None:
    photos = draw_photos(tmp_path / "photos", 2)
    red = np.zeros((40, 40, 3), dtype=np.uint8)
    red[..., 0] = 255
    Image.fromarray(red).save(photos / "red.png")
    config = tiny_config(save_tiny_model(tmp_path / "m.safetensors"), blur=True, num_tries=1)
    summary = run_automatic(
        [photos], tmp_path / "out", config, LocalExecutor(1), make_detectors=deadly_detectors
    )
    (line,) = json.loads(summary.set_aside.read_text())
    assert line["source"] == str(photos / "red.png")
    assert line["reason"] == "the worker's process ended with exit code 9"
    assert summary.num_images == 2


def test_a_model_that_is_not_there_is_told_in_its_own_words(tmp_path: Path) -> None:
    photos = draw_photos(tmp_path / "photos", 1)
    config = tiny_config(tmp_path / "none.safetensors")
    with pytest.raises(InvalidInputError, match=r"none.safetensors"):
        run_automatic([photos], tmp_path / "out", config, LocalExecutor(1))


def test_the_number_of_workers_is_checked() -> None:
    assert LocalExecutor().num_workers >= 1
    with pytest.raises(InvalidInputError, match="num_workers must be at least 1, got 0"):
        LocalExecutor(0)
