"""`anymask serve --static`: the folder, and the errors a caller meets."""

import json
from pathlib import Path

import pytest

from anymask.cli.main import main
from anymask.server import static_site

pytest.importorskip("onnxruntime")


@pytest.fixture(autouse=True)
def pages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A front end of one file in the place of the built one, which may not be there."""
    folder = tmp_path / "pages"
    folder.mkdir()
    (folder / "index.html").write_text("<!doctype html>")
    monkeypatch.setattr(static_site, "FRONT_END", folder)


@pytest.mark.slow
def test_a_folder_is_written(model, tmp_path, capsys):
    site = tmp_path / "site"
    assert main(["serve", "--static", str(site), "--model", model, "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["path"] == str(site)
    assert result["model_id"].startswith("tiny-")
    assert result["num_files"] == sum(path.is_file() for path in site.rglob("*"))
    assert (site / "model" / "decoder.onnx").is_file()


def test_a_full_folder_is_refused_in_one_line(model, tmp_path, capsys):
    assert main(["serve", "--static", str(tmp_path), "--model", model]) == 2
    error = capsys.readouterr().err
    assert error.startswith("anymask: error: output must be a new or empty folder")
    assert error.count("\n") == 1
