import json
from pathlib import Path

import pytest
import torch

from anymask.cli.main import main
from anymask.model.checkpoints import build_sam, load_sam, save_sam
from anymask.model.presets import tiny
from drawn_shapes import draw_set

pytest.importorskip("matplotlib")
SETTINGS = ["--set", "dtype=float32", "--val-fraction", "0.4", "--rank", "2", "--no-tensorboard"]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("base") / "base.safetensors"
    save_sam(build_sam(tiny(), seed=2), path)
    return path


def test_run_leaves_a_model_an_adapter_a_table_and_pictures(
    base: Path, shapes_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, guard = tmp_path / "run", draw_set(tmp_path / "others", num_images=3, size=(40, 64))
    arguments = ["finetune", str(shapes_folder), "-o", str(run), "--init", str(base)]
    arguments += [*SETTINGS, "--guard", str(guard), "--steps", "4", "--json"]
    assert main(arguments) == 0
    out, err = capsys.readouterr()
    result = json.loads(out)

    assert result["base_id"] == load_sam(base)[1]
    assert result["model_id"] == load_sam(run / "weights.safetensors")[1] != result["base_id"]
    assert (result["steps"], result["num_steps"]) == (4, 4)
    assert all(Path(name).is_file() for name in result["files"])
    figures = {(change["dataset"], change["prompt"]) for change in result["changes"]}
    prompts = ("box", "1 click", "1 click, best of three", "3 clicks", "5 clicks")
    assert figures == {(name, p) for name in ("validation", "others") for p in prompts}
    fallen = [c for c in result["changes"] if c["change"] <= -0.01 or c["high"] < 0]
    assert sum("fell from" in text for text in result["warnings"]) == len(fallen)
    assert not any("guarded" in text for text in result["warnings"])
    assert [line for line in err.splitlines() if line.startswith("warning: ")] == [
        f"warning: {text}" for text in result["warnings"]
    ]
    assert "parameters" in err
    pictures = list((run / "before_after").glob("*.png"))
    assert len(pictures) == result["changes"][0]["num_images"]
    report = (run / "report.md").read_text()
    assert all(picture.name in report for picture in pictures)

    # the command again evaluates again, and trains no more
    weights = (run / "weights.safetensors").read_bytes()
    assert main(arguments) == 0
    assert json.loads(capsys.readouterr().out)["changes"] == result["changes"]
    assert (run / "weights.safetensors").read_bytes() == weights

    merged = tmp_path / "merged.safetensors"
    adapter = str(run / "adapter.safetensors")
    assert main(["models", "merge", str(base), adapter, "-o", str(merged)]) == 0
    assert merged.read_bytes() == weights

    image = str(shapes_folder / "images" / "00000.png")
    segment = ["segment", image, "--point", "20,20", "-o", str(tmp_path / "out")]
    assert main([*segment, "--model", str(run / "weights.safetensors"), "--json"]) == 0


def test_fine_tuning_improves_what_it_is_tuned_on(
    base: Path, shapes_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["finetune", str(shapes_folder), "-o", str(tmp_path / "run"), "--init", str(base)]
    arguments += [*SETTINGS, "--mode", "full", "--steps", "60", "--json"]
    arguments += ["--set", "optim.learning_rate=3e-3", "--set", "validate_every=20"]
    assert main(arguments) == 0
    out, err = capsys.readouterr()
    result = json.loads(out)
    box = next(change for change in result["changes"] if change["prompt"] == "box")
    assert box["low"] > 0.05
    assert "nothing was guarded" in err
    assert not (tmp_path / "run" / "adapter.safetensors").exists()


def _without_masks(folder: Path) -> Path:
    draw_set(folder, num_images=2)
    (folder / "masks.json.gz").unlink()
    content = {"images": [{"id": 1, "file_name": "00000.png", "width": 64, "height": 48}]}
    (folder / "masks.json").write_text(json.dumps({**content, "annotations": []}))
    return folder


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["{empty}"], "data folder must hold a set"),
        (["{missing}"], "existing folder"),
        (["{unlabelled}"], "must list images with masks"),
        (["{shapes}", "--val", "{shapes}"], "validation images must not be trained on"),
        (["{shapes}", "--val", "{shapes}", "--val-fraction", "0.2"], "left out beside --val"),
        (["{shapes}", "--val-fraction", "1"], "between 0 and 1, got 1.0"),
        (["{shapes}", "--val-fraction", "0.001"], "2 labelled images or more, got 0"),
        (
            ["{shapes}", "--val-fraction", "0.4", "--guard", "{shapes}"],
            "not trained on, got shapes",
        ),
        (["{shapes}", "--val-fraction", "0.4", "--guard", "{empty}"], "data folder must hold"),
        (["{shapes}", "--rank", "0"], "rank must be 1 or more, got 0"),
        (["{shapes}", "--alpha", "-1"], "alpha must be above 0"),
        (["{shapes}", "--modules", "encoder", "--val-fraction", "0.4"], "got 'encoder'. Use for"),
        (["{shapes}", "--qkv", "x"], "letters q, k, v"),
        (["{shapes}", "--steps", "0"], "steps must be 1 or more"),
        (["{shapes}", "--patience", "0"], "patience must be 1 or more"),
        (["{shapes}", "--set", "speed=9"], "unknown setting 'speed'"),
        (["{shapes}", "--val-fraction", "0.4", "--max-images", "0"], "max_images must be at least"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(
    arguments: list[str],
    says: str,
    base: Path,
    shapes_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    places = {
        "shapes": shapes_folder,
        "missing": tmp_path / "missing",
        "empty": tmp_path / "empty",
        "unlabelled": _without_masks(tmp_path / "unlabelled"),
    }
    places["empty"].mkdir()
    words = [word.format(**places) for word in arguments]
    run = tmp_path / "run"
    assert main(["finetune", *words, "-o", str(run), "--init", str(base)]) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("anymask: error: ")
    assert says in error
    assert "\n" not in error
    assert not (run / "weights.safetensors").exists()
