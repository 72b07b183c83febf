"""`anymask dataset stats`, `view` and `card` as people call them."""

import json

import pytest

from anymask.cli.main import main
from anymask.dataset.viewer_site import PAGES
from sa1b_archives import pack, pair_files, write_shards

pytest.importorskip("matplotlib")


@pytest.fixture
def shards(tmp_path):
    write_shards(tmp_path / "ours", [2, 1])
    return tmp_path / "ours"


def test_statistics_are_written_beside_those_of_another_set(
    shards, shapes_folder, tmp_path, capsys
):
    output = tmp_path / "stats"
    command = ["dataset", "stats", str(shards), "-o", str(output), "--processes", "2", "--json"]
    assert main([*command, "--compare", f"shapes={shapes_folder}"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["name"], printed["num_images"], printed["num_masks"]) == ("ours", 3, 6)
    assert json.loads((output / "stats.json").read_bytes()) == printed
    assert {path.suffix for path in output.iterdir()} == {".json", ".html", ".svg", ".png"}
    assert "beside shapes" in (output / "index.html").read_text()

    again = ["dataset", "stats", str(shapes_folder), "-o", str(tmp_path / "other")]
    counted = ["--compare", f"ours={output / 'stats.json'}", "--processes", "1"]
    assert main([*again, *counted]) == 0
    assert "<td>6</td><td>3</td>" in (tmp_path / "other" / "index.html").read_text()


def test_damaged_images_are_told_and_the_rest_is_counted(tmp_path, capsys):
    files = [*pair_files(1), ("./sa_2.jpg", b"x"), ("./sa_2.json", b"{")]
    (tmp_path / "sa_000000.tar").write_bytes(pack(files))
    command = ["dataset", "stats", str(tmp_path / "sa_000000.tar"), "-o", str(tmp_path / "stats")]
    assert main([*command, "--processes", "1"]) == 1
    told = capsys.readouterr()
    assert "1 images, 2 masks" in told.out
    assert "sa_2" in told.err


@pytest.mark.skipif(not (PAGES / "viewer.html").exists(), reason="not built: make web")
def test_a_viewer_is_written(shards, tmp_path, capsys):
    validation = tmp_path / "validation.json"
    validation.write_text(json.dumps({"num_images": 3, "num_masks": 6, "problems": {}}))
    command = ["dataset", "view", str(shards), "-o", str(tmp_path / "site"), "--json"]
    assert main([*command, "--validation", str(validation), "--processes", "2"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["num_images"], printed["num_masks"]) == (3, 6)
    index = json.loads((tmp_path / "site" / "index.json").read_bytes())
    assert index["num_broken_rules"] == 0


def test_a_card_is_written(shards, tmp_path, capsys):
    output = tmp_path / "card.md"
    settings, answers = tmp_path / "settings.json", tmp_path / "answers.json"
    settings.write_text(json.dumps({"points_per_side": 32}))
    answers.write_text(json.dumps({"license": "CC0"}))
    command = ["dataset", "card", str(shards), "-o", str(output), "--processes", "1"]
    records = ["--record", f"Generator={settings}", "--answers", str(answers)]
    assert main([*command, *records]) == 0
    assert capsys.readouterr().out.strip() == str(output)
    card = output.read_text()
    assert "| points_per_side | 32 |" in card
    assert "| licence | CC0 |" in card


@pytest.mark.parametrize(
    ("action", "options", "text"),
    [
        ("stats", ["--compare", "coco"], "NAME=DATASET"),
        ("card", ["--record", "x"], "TITLE=FILE"),
        ("card", ["--stats", "none.json"], "none.json must be readable JSON"),
    ],
)
def test_mistakes_are_one_line(shards, tmp_path, capsys, monkeypatch, action, options, text):
    monkeypatch.chdir(tmp_path)
    assert main(["dataset", action, str(shards), *options]) == 2
    told = capsys.readouterr().err.strip()
    assert text in told.splitlines()[-1]
