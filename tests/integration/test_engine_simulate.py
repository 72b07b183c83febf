"""The whole loop on drawn shapes with a tiny model, through the command line."""

import json
from pathlib import Path

import pytest

from anymask.cli.main import main
from drawn_shapes import draw_set

SETTINGS = {
    "start_sets": "known",
    "loop_sets": "photos",
    "eval_sets": "unseen",
    "manual_rounds": "2",
    "semi_automatic_rounds": "1",
    "images_per_round": "2",
    "pool_photos": "9",
    "held_out_fraction": "0.3",
    "held_out_images": "3",
    "masks_per_image": "1",
    "eval_images": "2",
    "measured_photos": "2",
    "points_per_side": "3",
    "smallest_px": "100",
    "has_detector": "false",
    "final_training": "none",
    "automatic": "generator.points_per_side=2,generator.crop_num_layers=0,blur=false",
}
TINY = "stages=4:64:2", "checkpoint_every=2", "validation_fraction=0", "validate_every=100"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("simulate")
    draw_set(folder / "train/known", 4)
    draw_set(folder / "train/photos", 20)
    draw_set(folder / "eval/unseen", 3)
    return folder


def command(data: Path, out: Path, *more: str) -> list[str]:
    settings = [f"--set={name}={value}" for name, value in SETTINGS.items()]
    for training in ("start_training", "round_training"):
        settings.append(f"--set={training}.preset=tiny")
        settings.append(f"--set={training}.settings={','.join(TINY)}")
    folders = ["--train", str(data / "train"), "--eval", str(data / "eval"), "-o", str(out)]
    return ["engine", "simulate", *folders, "--seeds", "2", "--json", *settings, *more]


def run_json(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    assert main(arguments) == 0
    value: dict[str, object] = json.loads(capsys.readouterr().out)
    value.pop("facts")
    for seed in value["seeds"]:  # type: ignore[attr-defined]
        del seed["step_seconds"]
    return value


@pytest.mark.slow
@pytest.mark.timeout(280)
def test_the_loop_runs_unattended_and_is_its_seeds_alone(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = run_json(command(data, tmp_path / "a", "--control", "--self-train"), capsys)
    assert [seed["seed"] for seed in found["seeds"]] == [0, 1]  # type: ignore[attr-defined]
    assert len(found["claims"]) == 4  # type: ignore[arg-type]
    first, second = found["seeds"]  # type: ignore[misc]
    assert [r["stage"] for r in first["rounds"]] == [
        "start",
        "assisted-manual",
        "assisted-manual",
        "semi-automatic",
    ]
    assert all(r["seconds_per_mask"] > 4.7 for r in first["rounds"][1:])
    assert first["unseen"]["control"] is not None
    assert first["rounds"] != second["rounds"]
    filtered, unfiltered = found["self_training"]  # type: ignore[misc]
    assert filtered[0] | {"is_filtered": False} == unfiltered[0]  # the same first model
    assert (tmp_path / "a/report.html").is_file()
    assert (
        run_json(command(data, tmp_path / "a", "--control", "--self-train"), capsys) == found
    )  # goes on
    again = run_json(command(data, tmp_path / "b", "--control", "--self-train"), capsys)
    assert again["claims"] == found["claims"]


def test_unknown_sets_are_named(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*command(data, tmp_path), "--set=loop_sets=fotos"]) == 2
    assert "got fotos. There are: known, photos." in capsys.readouterr().err
