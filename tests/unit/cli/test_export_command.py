"""`anymask export`: files, their check, and the errors a caller meets."""

import json
from pathlib import Path

import pytest

from anymask.cli.main import main
from anymask.core.image_io import write_png
from anymask.model.checkpoints import build_sam, save_sam
from anymask.model.presets import tiny
from tiny_predictor import noise_image

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    save_sam(build_sam(tiny(), seed=7), path)
    return path


def test_files_are_written_and_segment(checkpoint, tmp_path, capsys):
    out = tmp_path / "exported"
    assert main(["export", "onnx", "--model", str(checkpoint), "-o", str(out), "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["model_id"].startswith("tiny-")
    assert [Path(row["path"]).name for row in result["files"]] == [
        "encoder.onnx",
        "decoder.onnx",
        "upscale.onnx",
    ]
    assert all(row["largest_difference"] <= 1e-4 for row in result["files"])

    write_png(tmp_path / "photo.png", noise_image())
    command = ["segment", str(tmp_path / "photo.png"), "--model", str(out), "--point", "12,9"]
    assert main([*command, "-o", str(tmp_path / "masks")]) == 0
    assert list((tmp_path / "masks").glob("*.png"))


def test_one_part_alone(checkpoint, tmp_path, capsys):
    command = ["export", "onnx", "--model", str(checkpoint), "--part", "decoder"]
    assert main([*command, "--check-cases", "2", "-o", str(tmp_path)]) == 0
    decoder = capsys.readouterr().out.splitlines()[0]
    assert "decoder.onnx: " in decoder
    assert decoder.endswith("in 2 random cases")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["decoder.onnx", "upscale.onnx"]


@pytest.mark.slow
def test_int8_states_its_loss(checkpoint, tmp_path, capsys):
    photos = tmp_path / "photos"
    photos.mkdir()
    for seed in range(4):
        write_png(photos / f"{seed}.png", noise_image(seed=seed))
    command = ["export", "onnx", "--model", str(checkpoint), "--dtype", "int8"]
    out = tmp_path / "exported"
    assert main([*command, "--calibrate", str(photos), "-o", str(out), "--json"]) == 0
    assert 0 < json.loads(capsys.readouterr().out)["mean_mask_iou"] <= 1


@pytest.mark.parametrize("extra", [["--dtype", "int8"], ["--calibrate", "photos"]])
def test_int8_and_photographs_come_together(extra, tmp_path, capsys):
    assert main(["export", "onnx", "-o", str(tmp_path), *extra]) == 2
    assert "--calibrate must come with --dtype int8" in capsys.readouterr().err


def test_no_file_goes_unchecked(checkpoint, tmp_path, capsys):
    command = ["export", "onnx", "--model", str(checkpoint), "--check-cases", "0"]
    assert main([*command, "-o", str(tmp_path)]) == 2
    assert "check_cases must be at least 1, got 0" in capsys.readouterr().err
