"""`anymask engine` as it is typed, up to where people are needed."""

import json
from pathlib import Path

import pytest

from anymask.cli.main import main
from drawn_shapes import draw_set
from engine_people import save_tiny


@pytest.fixture
def arguments(tmp_path: Path) -> list[str]:
    draw_set(tmp_path / "photos", 3)
    draw_set(tmp_path / "held_out", 2, (44, 60))
    model = save_tiny(tmp_path / "model.safetensors")
    folder, photos = str(tmp_path / "studio"), str(tmp_path / "photos" / "images")
    begun = ["engine", "init", folder, "--photos", photos, "--model", str(model)]
    settings = ("manual_rounds=1", "images_per_round=2", "queue.points_per_side=2")
    return [
        *begun,
        "--held-out",
        str(tmp_path / "held_out"),
        *(word for setting in settings for word in ("--set", setting)),
        "--train-set",
        "optim.learning_rate=1e-4",
    ]


def test_an_engine_is_begun_run_and_looked_at(
    arguments: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = arguments[2]
    assert main(arguments) == 0
    assert "3 photos, 1 manual" in capsys.readouterr().out
    assert main(["engine", "status", folder]) == 0
    assert "next: measure the first model" in capsys.readouterr().out
    assert main(["engine", "run", folder]) == 0
    assert "people are needed: 2 images wait" in capsys.readouterr().out
    assert main(["engine", "next-stage", folder, "--json"]) == 0
    status = json.loads(capsys.readouterr().out)["status"]
    assert (status["next_step"], status["queue"]["waiting"]) == ("r01-annotate", 2)
    assert main(["engine", "status", folder]) == 0
    assert "held-out mIoU" in capsys.readouterr().out
    assert main(["engine", "lineage", folder, "00001.png"]) == 0
    assert capsys.readouterr().out.startswith("photo 00001.png")
    assert main(["engine", "report", folder, "--json"]) == 0
    page = Path(json.loads(capsys.readouterr().out)["page"])
    assert "Data engine studio" in page.read_text()


def test_what_is_still_to_do_can_be_changed(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    begun = arguments[:5]
    assert main(arguments) == 0
    assert main([*begun, "--set", "images_per_round=1", "--json"]) == 0
    plan = json.loads(capsys.readouterr().out.splitlines()[-1])["plan"]
    assert plan["images_per_round"] == 1
    assert plan["training"]["settings"] == ["optim.learning_rate=1e-4"]


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (["--set", "rounds=3"], "unknown setting"),
        (["--set", "training.preset=huge"], "unknown training preset"),
        (["--plan", "no.json"], "no.json must be readable JSON"),
        (["--held-out", "nowhere"], "data folder must be an existing folder"),
    ],
)
def test_what_cannot_be_is_one_line(
    more: list[str], text: str, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, *more]) == 2
    error = capsys.readouterr().err
    assert text in error
    assert error.count("\n") == 1


def test_a_folder_without_an_engine_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["engine", "status", str(tmp_path)]) == 2
    assert "Begin one: anymask engine init" in capsys.readouterr().err
