"""What we write as SA-1B is read by other people's programs, and streams into training."""

import gc
import itertools
import json
import os
import subprocess
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
import webdataset
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from anymask.cli.main import main
from anymask.core.image_io import read_image_size
from anymask.core.records import parse_records
from anymask.dataset.archive_file import open_archive
from anymask.dataset.shard_stream import ShardStream
from anymask.dataset.shards import find_shards
from released_shards import write_release
from sa1b_archives import draw_image, draw_masks, write_shards

# Datumaro wants an older OpenCV and PyArrow than ours, so it has an environment of its own:
# python -m venv datumaro && datumaro/bin/pip install datumaro==1.13.12
_DATUMARO = os.environ.get("ANYMASK_DATUMARO_PYTHON", "")
_READ_BY_DATUMARO = """
import json, sys
from datumaro.components.annotation import AnnotationType
from datumaro.components.dataset import Dataset
found = {}
for item in Dataset.import_from(sys.argv[1], "segment_anything"):
    masks = [a for a in item.annotations if a.type == AnnotationType.mask]
    found[item.id] = {
        "size": list(item.media.data.shape[:2]),
        "areas": [int(mask.image.sum()) for mask in masks],
        "ids": [mask.id for mask in masks],
        "scores": [mask.attributes["stability_score"] for mask in masks],
        "points": [mask.attributes["point_coords"] for mask in masks],
    }
print(json.dumps(found))
"""


NOT_OUR_NUMPY = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(scope="module", params=["ours", "gzip"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shards of images 1 to 5, as we write them and as SA-1B was released."""
    place = tmp_path_factory.mktemp("shards")
    if request.param == "ours":
        return write_release(place, [3, 2])
    write_shards(place, [3, 2], is_gzip=True)
    return place


def unpack(folder: Path, output: Path) -> Path:
    for shard in find_shards(folder):
        with tarfile.open(shard) as archive:
            archive.extractall(output, filter="data")
    return output


@NOT_OUR_NUMPY
def test_pycocotools_decodes_the_masks(folder: Path, tmp_path: Path) -> None:
    unpack(folder, tmp_path)
    for number in range(1, 6):
        content = json.loads((tmp_path / f"sa_{number}.json").read_text())
        for annotation, mask in zip(content["annotations"], draw_masks(number), strict=True):
            decoded = coco_mask.decode(annotation["segmentation"])
            np.testing.assert_array_equal(decoded.astype(bool), mask)
            assert coco_mask.area(annotation["segmentation"]) == annotation["area"]
            x, y, width, height = coco_mask.toBbox(annotation["segmentation"])
            assert annotation["bbox"] in ([x, y, width, height], [x, y, width - 1, height - 1])


@NOT_OUR_NUMPY
def test_pycocotools_loads_what_was_converted(folder: Path, tmp_path: Path) -> None:
    words = ["dataset", "convert", str(folder), "--to", "coco", "--pictures"]
    assert main([*words, "-o", str(tmp_path / "out")]) == 0
    coco = COCO(tmp_path / "out/annotations.json")
    assert sorted(coco.getImgIds()) == [1, 2, 3, 4, 5]
    for number in coco.getImgIds():
        rows = coco.loadAnns(coco.getAnnIds(number))
        for row, mask in zip(rows, draw_masks(number), strict=True):
            np.testing.assert_array_equal(coco.annToMask(row).astype(bool), mask)
        name = coco.loadImgs(number)[0]["file_name"]
        assert read_image_size(tmp_path / "out/images" / name) == (48, 64)


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # it leaves closing to others
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_webdataset_reads_the_shards(folder: Path) -> None:
    shards = list(find_shards(folder))
    stream = webdataset.WebDataset(shards, shardshuffle=False).decode("rgb8")
    samples = {Path(sample["__key__"]).name: sample for sample in stream}
    gc.collect()  # within reach of these filters
    assert list(samples) == [f"sa_{number}" for number in range(1, 6)]
    for number, sample in enumerate(samples.values(), 1):
        assert np.abs(sample["jpg"].astype(int) - draw_image(number)).mean() < 20
        assert sample["json"]["image"]["file_name"] == f"sa_{number}.jpg"
        assert len(sample["json"]["annotations"]) == 2


@pytest.mark.skipif(not _DATUMARO, reason="ANYMASK_DATUMARO_PYTHON names no Python with Datumaro")
def test_datumaro_imports_the_unpacked_shards(folder: Path, tmp_path: Path) -> None:
    unpack(folder, tmp_path)
    command = [_DATUMARO, "-c", _READ_BY_DATUMARO, str(tmp_path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    found = json.loads(done.stdout.splitlines()[-1])
    assert found.keys() == {f"sa_{number}" for number in range(1, 6)}
    for number in range(1, 6):
        content = json.loads((tmp_path / f"sa_{number}.json").read_text())["annotations"]
        assert found[f"sa_{number}"] == {
            "size": [48, 64],
            "areas": [int(mask.sum()) for mask in draw_masks(number)],
            "ids": [row["id"] for row in content],
            "scores": [row["stability_score"] for row in content],
            "points": [row["point_coords"] for row in content],
        }


def test_the_stream_of_training_gives_every_image(folder: Path) -> None:
    stream = ShardStream(
        shards=find_shards(folder),
        num_lanes=1,
        buffer_size=2,
        seed=0,
        validation_fraction=0.0,
        set_aside=pytest.fail,
    )
    records = [
        parse_records(draw.pair.record, draw.pair.label)
        for draw in itertools.islice(stream.lane(0), 20)
    ]
    assert {image.image_id for image, _ in records} == {1, 2, 3, 4, 5}
    assert all(len(masks) == 2 for _, masks in records)


def test_shards_are_trained_on(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANYMASK_CACHE", str(tmp_path / "cache"))
    torch.set_num_threads(1)
    settings = ["stages=2:64:2", "validation_fraction=0", "stream.num_lanes=1"]
    words = [word for setting in settings for word in ("--set", setting)]
    assert main(["train", "tiny", str(folder), "-o", str(tmp_path / "run"), *words]) == 0


def test_a_set_goes_the_whole_way(
    tmp_path: Path, shapes_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(tmp_path / "set")
    write = ["dataset", "write", str(shapes_folder), "-o", folder, "--images-per-shard", "4"]
    assert main([*write, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["num_masks"] == 12
    assert main(write) == 0
    assert capsys.readouterr().out == f"{folder}: 6 images, 12 masks, 2 shards\n"
    assert main(["dataset", "validate", folder]) == 0
    assert capsys.readouterr().out == f"{folder}: 2 shards, 6 images, 12 masks, no problem\n"
    with open_archive(f"{folder}/sa_000001.tar") as (stream, _):
        content = stream.read()
    Path(folder, "sa_000001.tar").write_bytes(content[:6000])
    assert main(["dataset", "validate", folder, "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["problems"].keys() == {"cut-off", "shard-hash", "shard-counts"}
    assert main(["dataset", "convert", folder, "--to", "coco", "-o", str(tmp_path / "out")]) == 2
    assert "See `anymask dataset validate`" in capsys.readouterr().err
