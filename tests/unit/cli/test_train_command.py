import json
from pathlib import Path

import pytest

from anymask.cli.main import main

SHORT = ["--set", "stages=4:64:4", "--set", "validate_every=2", "--set", "validation_fraction=0.4"]


def _train(data: Path, output: Path, *more: str) -> int:
    return main(["train", "tiny", str(data), "-o", str(output), *SHORT, *more])


def test_json_is_one_object_that_says_how_it_went(
    shapes_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _train(shapes_folder, tmp_path, "--json", "--accumulate", "2", "--recompute") == 0
    out = capsys.readouterr().out
    report = json.loads(out)
    assert (report["steps"], report["num_steps"], report["is_finished"]) == (4, 4, True)
    assert report["images"] == 16
    assert set(report["scores"]) == {
        "box",
        "box_oracle",
        "box_correlation",
        "click",
        "click_oracle",
        "click_correlation",
        "clicks_3",
    }
    for name in ("weights", "curves"):
        assert Path(report[name]).is_file()
    assert {"seconds_data", "seconds_encoder", "gradient_norm"} <= report["last_row"].keys()


def test_run_folder_has_pictures_of_each_validation(
    shapes_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _train(shapes_folder, tmp_path, "--no-tensorboard") == 0
    pictures = sorted(p.name for p in (tmp_path / "validation").iterdir())
    assert pictures == ["step-0000002.png", "step-0000004.png"]
    assert not (tmp_path / "tensorboard").exists()
    out = capsys.readouterr().out
    assert "step 4 of 4: loss" in out
    assert "masks/s" in out
    assert "held out: box" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--accumulate", "0"], "accumulate must be at least 1, got 0"),
        (["--accumulate", "9"], "1 processes x 9 passes, got 4 rows"),
        (["--parallel", "dp"], "invalid choice: 'dp'"),
        (["--init", "nowhere.safetensors"], "nowhere.safetensors"),
    ],
)
def test_mistakes_are_one_line(
    shapes_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    try:
        code = _train(shapes_folder, tmp_path, *arguments)
    except SystemExit as stop:
        code = int(str(stop.code))
    assert code == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_resuming_with_other_settings_names_them(
    shapes_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _train(shapes_folder, tmp_path, "--no-tensorboard") == 0
    assert _train(shapes_folder, tmp_path, "--set", "optim.learning_rate=1", "--seed", "3") == 2
    assert "(seed, optim.learning_rate)" in capsys.readouterr().err
