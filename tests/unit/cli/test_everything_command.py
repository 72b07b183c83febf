import json

import numpy as np
import pytest

from anymask.cli.main import main
from anymask.core.image_io import write_png
from anymask.core.records import read_records
from tiny_predictor import noise_image

PERMISSIVE = ["--points-per-side", "3", "--pred-iou-thresh", "0", "--stability-score-thresh", "0"]


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for i, name in enumerate(("a.png", "b.png", "c.PNG")):
        write_png(folder / name, noise_image(40, 60, seed=i))
    (folder / "notes.txt").write_text("no image")
    return folder


@pytest.fixture
def everything(model, tmp_path):
    """Return a function that runs `anymask everything`, and its output folder."""
    output = tmp_path / "out"

    def run(*arguments: object, options: tuple[str, ...] = tuple(PERMISSIVE)) -> int:
        common = ["-o", str(output), "--model", model, "--device", "cpu", *options]
        return main(["everything", *map(str, arguments), *common])

    run.output = output
    return run


def test_each_image_of_a_folder_gets_records_and_an_overlay(everything, photos, capsys):
    assert everything(photos, "--json") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["json"] for line in lines] == ["a.json", "b.json", "c.json"]
    ids = set()
    for line in lines:
        image, masks = read_records(everything.output / line["json"])
        assert (image.width, image.height) == (60, 40)
        assert len(masks) == line["num_masks"] > 0
        ids |= {mask.id for mask in masks}
        assert (everything.output / line["json"].replace(".json", "_overlay.png")).stat().st_size
    assert len(ids) == sum(line["num_masks"] for line in lines)
    assert max(ids) < 2**53


def test_second_run_only_does_what_is_missing(everything, photos, capsys):
    assert everything(photos) == 0
    before = (everything.output / "a.json").stat().st_mtime_ns
    kept = (everything.output / "b.json").read_text()
    (everything.output / "b.json").write_text("{")
    capsys.readouterr()
    assert everything(photos) == 0
    shown = capsys.readouterr()
    assert "2 of 3 images are done" in shown.err
    assert shown.out.count("masks") == 1
    assert (everything.output / "a.json").stat().st_mtime_ns == before
    assert (everything.output / "b.json").read_text() == kept
    assert everything(photos, "--overwrite") == 0
    assert (everything.output / "a.json").stat().st_mtime_ns > before


def test_bad_image_is_reported_and_the_rest_is_done(everything, photos, capsys):
    (photos / "b.png").write_bytes(b"damaged")
    assert everything(photos) == 1
    errors = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
    assert len(errors) == 1
    assert errors[0].startswith("anymask: error: ")
    assert "b.png" in errors[0]
    assert {path.name for path in everything.output.glob("*.json")} == {"a.json", "c.json"}


def test_image_without_any_mask_is_done_as_well(everything, photos):
    assert everything(photos / "a.png", options=("--pred-iou-thresh", "1")) == 0
    assert read_records(everything.output / "a.json")[1] == []


def test_same_image_twice_is_done_once(everything, photos, capsys):
    assert everything(photos / "a.png", photos / "a.png") == 0
    assert capsys.readouterr().out.count("masks") == 1


@pytest.mark.parametrize(
    ("arguments", "options", "text"),
    [
        (["{photos}"], ("--box-nms-thresh", "2"), "box_nms_thresh must be between 0 and 1, got 2"),
        (["{photos}/../empty"], (), "empty must hold images"),
        (["{photos}/a.png", "{photos}/../twin/a.jpg"], (), "images must differ in name"),
    ],
)
def test_wrong_request_is_one_line_and_exit_2(
    everything, photos, tmp_path, capsys, arguments, options, text
):
    (tmp_path / "empty").mkdir()
    (tmp_path / "twin").mkdir()
    write_png(tmp_path / "twin" / "a.jpg", np.zeros((4, 4), dtype=bool))
    filled = [argument.replace("{photos}", str(photos)) for argument in arguments]
    assert everything(*filled, options=options) == 2
    error = capsys.readouterr().err
    assert text in error
    assert error.count("\n") == 1
