"""One walk through the commands, as a user would: train, inspect, evaluate, segment, everything."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from anymask.cli.main import main
from anymask.core.image_io import read_image
from anymask.core.records import read_records
from anymask.model.checkpoints import build_sam, load_sam, save_sam
from anymask.model.presets import preset

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def trained(shapes_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The weights of a few steps of training, run through the command."""
    output = tmp_path_factory.mktemp("run")
    settings = ["--set", "stages=4:64:2", "--set", "validate_every=2", "--set", "seed=3"]
    data = str(shapes_folder)
    assert main(["train", "tiny", data, "-o", str(output), *settings, "--max-minutes", "5"]) == 0
    return output


def test_train_leaves_weights_and_a_plot(trained: Path) -> None:
    assert read_image(trained / "curves.png").shape[2] == 3
    rows = [json.loads(line) for line in (trained / "log.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [0, 1, 2, 3]
    assert json.loads((trained / "config.json").read_text())["seed"] == 3


def test_wrong_setting_is_one_line_and_exit_2(
    shapes_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["train", "tiny", str(shapes_folder), "-o", str(tmp_path), "--set", "optim.lr=1"])
    assert code == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "learning_rate" in error


def test_trained_weights_can_be_shown(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "show", str(trained / "weights.safetensors"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["config"]["name"] == "tiny"


@pytest.mark.parametrize("suite", ["points", "boxes"])
def test_trained_weights_can_be_evaluated(
    suite: str, trained: Path, shapes_folder: Path, tmp_path: Path
) -> None:
    weights = str(trained / "weights.safetensors")
    command = ["evaluate", suite, str(shapes_folder), "--model", weights, "--output", str(tmp_path)]
    assert main([*command, "--no-grabcut", "--max-images", "2"]) == 0
    assert {"rows.jsonl", "report.md", "plot.png"} <= {p.name for p in tmp_path.iterdir()}
    for line in (tmp_path / "rows.jsonl").read_text().splitlines():
        row = json.loads(line)
        assert row["low"] <= row["value"] <= row["high"]


def test_trained_weights_segment_a_photo(
    trained: Path, shapes_folder: Path, tmp_path: Path
) -> None:
    photo = str(shapes_folder / "images" / "00000.png")
    weights = str(trained / "weights.safetensors")
    command = ["segment", photo, "--model", weights, "-o", str(tmp_path)]
    assert main([*command, "--point", "24,24"]) == 0
    assert main([*command, "--point", "24,24", "--mask", str(tmp_path / "00000_logits.npy")]) == 0
    record = json.loads((tmp_path / "00000.json").read_text())
    assert record["masks"][0]["prompt"]["mask_input"] is True
    assert read_image(tmp_path / "00000_overlay.png").shape == (48, 64, 3)


def test_everything_writes_records_for_a_folder(
    trained: Path, shapes_folder: Path, tmp_path: Path
) -> None:
    weights = str(trained / "weights.safetensors")
    images = str(shapes_folder / "images")
    command = ["everything", images, "-o", str(tmp_path), "--model", weights]
    assert main([*command, "--points-per-side", "4", "--pred-iou-thresh", "0"]) == 0
    image, _ = read_records(tmp_path / "00000.json")
    assert (image.width, image.height) == (64, 48)
    assert len(list(tmp_path.glob("*.json"))) == 6


@pytest.mark.parametrize(
    "script",
    [
        "benchmarks/bench_predict.py",
        "benchmarks/bench_import_time.py",
        "benchmarks/bench_data.py",
    ],
)
def test_benchmark_runs_once(script: str) -> None:
    command = [sys.executable, str(ROOT / script), "--smoke"]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    assert "median" in finished.stdout


def test_iou_head_is_fitted_and_the_rest_stays(shapes_folder: Path, tmp_path: Path) -> None:
    config = dataclasses.replace(preset("tiny"), iou_from_mask=True)
    base, fitted = tmp_path / "base.safetensors", tmp_path / "fitted.safetensors"
    save_sam(build_sam(config, seed=1), base)
    command = [sys.executable, str(ROOT / "benchmarks/fit_iou_head.py"), "--smoke"]
    command += [str(base), str(shapes_folder), "-o", str(fitted)]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    before, after = (load_sam(path)[0].state_dict() for path in (base, fitted))
    changed = {key for key in before if not torch.equal(before[key], after[key])}
    assert changed
    assert all(key.startswith("mask_decoder.iou_prediction_head.") for key in changed)


def test_training_step_benchmark_compares_equal_losses(shapes_folder: Path) -> None:
    script = str(ROOT / "benchmarks/bench_training_step.py")
    command = [sys.executable, script, str(shapes_folder), "--smoke", "--json"]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    row = json.loads(finished.stdout)
    assert row["largest_relative_loss_difference"] < 1e-4  # the tiny preset is float32
    assert row["ratio"] > 0


def test_demo_ends_with_the_path_of_its_picture(tmp_path: Path) -> None:
    command = [sys.executable, str(ROOT / "examples/demo.py"), str(tmp_path)]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    picture = Path(finished.stdout.splitlines()[-1].removeprefix("overlay: "))
    assert read_image(picture).shape == (854, 1280, 3)
