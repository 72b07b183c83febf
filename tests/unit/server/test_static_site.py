"""The folder without a server: what is in it, and what it never overwrites."""

import json
from pathlib import Path

import pytest

from anymask.core.errors import InvalidInputError, OutputError
from anymask.inference.loading import load_predictor
from anymask.model.checkpoints import build_sam
from anymask.model.presets import tiny
from anymask.server import static_site
from anymask.server.static_site import write_static_site
from tiny_predictor import noise_image

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    """A front end of two files."""
    folder = tmp_path / "pages"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html>")
    (folder / "assets" / "index.js").write_text("1")
    return folder


@pytest.fixture
def quick_export(monkeypatch: pytest.MonkeyPatch) -> None:
    """Graphs of a few bytes in the place of the real ones, which take seconds to trace."""

    def export(model, model_id, folder, *, parts, dtype):
        folder.mkdir()
        for part in parts:
            (folder / f"{part}.onnx").write_text(model_id)
        return []

    monkeypatch.setattr(static_site, "export_model", export)


def write(output: Path, pages: Path, seed: int = 7):
    return write_static_site(build_sam(tiny(), seed=seed), f"tiny-{seed}", output, front_end=pages)


@pytest.mark.slow
def test_pages_and_a_model_that_answers(tmp_path, pages):
    site = write(tmp_path / "a" / "site", pages)
    files = [path for path in site.path.rglob("*") if path.is_file()]
    assert site.num_files == len(files) == 7
    assert site.num_bytes == sum(path.stat().st_size for path in files)
    assert (site.path / "assets" / "index.js").read_text() == "1"
    assert "require-corp" in (site.path / "_headers").read_text()
    described = json.loads((site.path / "model" / "model.json").read_text())
    assert described == {
        "model_id": "tiny-7",
        "image_size": tiny().image_size,
        "mask_threshold": 0.0,
        "num_bytes": sum(path.stat().st_size for path in files if path.suffix == ".onnx"),
    }
    assert load_predictor(site.path / "model").embed(noise_image()).model_id == "tiny-7"


@pytest.mark.usefixtures("quick_export")
def test_an_earlier_site_is_replaced_whole(tmp_path, pages):
    write(tmp_path / "site", pages)
    (pages / "assets" / "index.js").rename(pages / "assets" / "other.js")
    site = write(tmp_path / "site", pages, seed=8)
    assert [path.name for path in (site.path / "assets").iterdir()] == ["other.js"]
    assert json.loads((site.path / "model" / "model.json").read_text())["model_id"] == "tiny-8"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pages", "site"]


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_anything_else_is_left_alone(tmp_path, pages, kind):
    target = tmp_path / "thesis"
    if kind == "folder":
        target.mkdir()
        (target / "chapter.txt").write_text("precious")
    else:
        target.write_text("precious")
    with pytest.raises(InvalidInputError, match="new or empty folder"):
        write(target, pages)
    assert (target / "chapter.txt" if kind == "folder" else target).read_text() == "precious"


def test_pages_that_are_not_built(tmp_path):
    with pytest.raises(InvalidInputError, match="make web"):
        write(tmp_path / "site", tmp_path / "nothing")


def test_a_place_that_cannot_be_written(tmp_path, pages):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="could not be written"):
        write(tmp_path / "file" / "site", pages)
