import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anymask.cli.main import main

SMALL = [
    *("--set", "model=tiny_vit", "--set", "image_size=32", "--set", "batch_size=4"),
    *("--set", "decoder_width=16", "--set", "decoder_depth=1", "--set", "decoder_num_heads=2"),
    *("--set", "dtype=float32", "--set", "validation_fraction=0.3", "--no-tensorboard"),
]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    (folder / "more").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for i in range(12):
        pixels = rng.integers(0, 255, (30, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / ("more" if i % 2 else "") / f"{i}.png")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8 no more")
    return folder


def test_a_run_from_the_command_line_prints_what_to_do_next(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    command = ["pretrain", "mae_tiny", str(photos), "-o", str(run), "--epochs", "4", *SMALL]
    assert main(command) == 0
    out, err = capsys.readouterr()
    assert "photos to learn from" in err
    assert "are 4" in err
    assert err.count("set aside: ") == 1
    assert "1 files could not be read and were set aside." in err
    assert f"--init {run / 'weights.safetensors'}" in out
    assert (run / "curves.png").exists()
    assert len(list((run / "reconstructions").iterdir())) >= 1

    assert main([*command, "--json"]) == 0  # it is finished; nothing is run again
    assert json.loads(capsys.readouterr().out)["is_finished"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["mae_huge", "PHOTOS"], "unknown pre-training preset 'mae_huge'. Known: mae_tiny"),
        (["mae_tiny", "NOWHERE"], "photo folder must be an existing folder"),
        (["mae_tiny", "EMPTY"], "photo folders must hold images"),
        (["mae_tiny", "PHOTOS", "--set", "patch=3"], "unknown setting 'patch'"),
        (["mae_tiny", "PHOTOS", "--set", "patch"], "--set must be FIELD=VALUE, got 'patch'"),
        (["mae_tiny", "PHOTOS", "--set", "model=small"], "model must have a ViT"),
        (["mae_tiny", "PHOTOS", "--epochs", "0"], "epochs must be over 0"),
    ],
)
def test_mistakes_are_one_line(
    photos: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    text: str,
) -> None:
    (tmp_path / "empty").mkdir()
    places = {
        "PHOTOS": str(photos),
        "EMPTY": str(tmp_path / "empty"),
        "NOWHERE": str(tmp_path / "no"),
    }
    words = [places.get(word, word) for word in arguments]
    assert main(["pretrain", *words, "-o", str(tmp_path / "run")]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"anymask: error: {text}")
    assert err.count("\n") == 1
