"""Big folders into a running studio and out again, from the command line."""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from anymask.cli.main import main
from anymask.client import Client
from anymask.core.annotated import AnnotatedImage, AnnotatedMask
from anymask.core.errors import AccessError
from anymask.core.records import ImageRecord
from anymask.core.rle import Rle
from anymask.dataset.formats.registry import FORMATS
from anymask.folder_import import import_folder
from studio import PASSWORD, make_app, running


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    with running(make_app(tmp_path / "studio")) as url:
        yield url


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two YOLO splits with pictures of one name, and a broken picture."""
    folder = tmp_path / "set"
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        path = folder / "images" / split / "a.png"
        path.parent.mkdir(parents=True)
        Image.fromarray(rng.integers(0, 255, (20, 30, 3), dtype=np.uint8)).save(path)
        record = ImageRecord(image_id=1, width=30, height=20, file_name=f"{split}/a.png")
        masks = (AnnotatedMask(segmentation=mask_of(split), name=split),)
        image = AnnotatedImage(image=record, masks=masks)
        files = list(FORMATS["yolo"].write([image], "set"))
        label = folder / files[0].path
        label.parent.mkdir(parents=True)
        label.write_bytes(b"".join(files[0].pieces))
    (folder / "data.yaml").write_text("names: [thing]")
    (folder / "images" / "broken.png").write_bytes(b"no picture")
    return folder


def mask_of(split: str) -> Rle:
    mask = np.zeros((20, 30), dtype=bool)
    mask[2:12, 3:20] = True
    mask[5:8, 6:9] = split == "train"
    return Rle.from_mask(mask)


def test_a_folder_goes_in_once_and_its_bad_file_is_told(
    url: str,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    eve = Client.log_in(url, "eve", PASSWORD)
    monkeypatch.setenv("ANYMASK_TOKEN", eve.token)
    words = ["studio", "import", str(folder), "--project", "streets", "--url", url]
    assert main([*words, "--json"]) == 1
    result = json.loads(capsys.readouterr().out)
    assert (result["images"], result["masks"]) == (2, 2)
    assert [problem["file"] for problem in result["problems"]] == ["images/broken.png"]
    project = eve.projects()["streets"]
    for image, split in zip(eve.images(project), ("train", "val"), strict=True):
        assert [(mask.segmentation, mask.name) for mask in eve.masks(image.id)] == [
            (mask_of(split), "thing")
        ]
    assert main(words) == 1
    told = capsys.readouterr()
    assert "2 images there, 0 masks new, 1 files not taken" in told.out
    assert told.err.count("\n") == 1
    file = tmp_path / "out.zip"
    export = ["studio", "export", "--project", "streets", "--url", url, "-o", str(file)]
    assert main([*export, "--to", "cvat", "--pictures"]) == 0
    with zipfile.ZipFile(file) as archive:
        assert len(archive.namelist()) == 3


def test_who_is_no_admin_is_told_at_once(url: str, folder: Path) -> None:
    eve = Client.log_in(url, "eve", PASSWORD)
    project = eve.add_project("streets")
    eve.add_members(project, ["ada"])
    with pytest.raises(AccessError):
        import_folder(Client.log_in(url, "ada", PASSWORD), project, folder)


def test_an_unknown_project_cannot_be_exported(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ANYMASK_TOKEN", Client.log_in(url, "eve", PASSWORD).token)
    words = ["studio", "export", "--project", "none", "--url", url, "-o", str(tmp_path / "a")]
    assert main(words) == 2
    assert "project must exist" in capsys.readouterr().err
