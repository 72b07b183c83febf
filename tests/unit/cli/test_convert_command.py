"""`anymask convert`: any format to any, and what cannot be read."""

import json
from pathlib import Path

import pytest

from anymask.cli.main import main
from anymask.dataset.formats.registry import FORMATS
from anymask.dataset.sets import read_set
from drawn_shapes import draw_set


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "sa1b"])
def test_masks_survive_a_format_and_the_way_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    source = draw_set(tmp_path / "source", num_images=3)
    words = ["convert", str(source), "--to", name, "--pictures", "-o", str(tmp_path / "there")]
    assert main(words) == 0
    back = ["convert", str(tmp_path / "there"), "--to", "coco", "--pictures", "--json"]
    assert main([*back, "-o", str(tmp_path / "back")]) == 0
    result = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert result == {"images": 3, "masks": 6, "problems": []}
    pairs = zip(read_set(source), read_set(tmp_path / "back"), strict=True)
    for old, new in pairs:
        assert {(mask.rle, mask.category) for mask in new.masks} == {
            (mask.rle, mask.category) for mask in old.masks
        }


def test_bad_files_are_told_beside_the_result(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = draw_set(tmp_path / "source", num_images=1)
    (source / "bad.json").write_text("{")
    assert main(["convert", str(source), "--to", "yolo", "-o", str(tmp_path / "out")]) == 1
    told = capsys.readouterr()
    assert "bad.json: file must be whole JSON" in told.err
    assert "1 images, 2 masks" in told.out
    assert not (tmp_path / "out" / "images").exists()


@pytest.mark.parametrize(
    ("output", "message"), [("source", "new or empty"), ("out", "must hold annotations")]
)
def test_what_cannot_be_done_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], output: str, message: str
) -> None:
    source = tmp_path / "source"
    if output == "source":
        draw_set(source, num_images=1)
    else:
        source.mkdir()
    words = ["convert", str(source), "--to", "coco", "-o", str(tmp_path / output)]
    assert main(words) in (1, 2)
    error = capsys.readouterr().err
    assert message in error
    assert error.startswith("anymask: error:")
    assert error.count("\n") == 1
