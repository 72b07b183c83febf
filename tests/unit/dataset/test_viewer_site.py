import io
import json

import numpy as np
import pytest
from PIL import Image

from anymask.core.errors import InvalidInputError
from anymask.core.palette import PALETTE
from anymask.core.rle import Rle
from anymask.dataset.privacy.regions import Region
from anymask.dataset.reports import PrivacyState, ValidationState
from anymask.dataset.viewer_images import UNKNOWN, draw_small_masks
from anymask.dataset.viewer_site import ViewerOptions, write_viewer
from sa1b_archives import draw_masks, pack, pair_files, write_shards

pytest.importorskip("matplotlib")
OPTIONS = ViewerOptions(title="ours", num_processes=1)


@pytest.fixture
def pages(tmp_path):
    """Built pages."""
    folder = tmp_path / "pages"
    (folder / "assets").mkdir(parents=True)
    (folder / "viewer.html").write_text("<title>anymask data set</title>")
    (folder / "assets" / "viewer-1.js").write_text("0")
    return folder


@pytest.fixture
def shards(tmp_path):
    write_shards(tmp_path / "set", [2, 1])
    return tmp_path / "set"


def index_of(site) -> dict:
    return json.loads((site / "index.json").read_bytes())


def test_a_site_says_what_is_in_the_data_set(shards, pages, tmp_path):
    done = write_viewer(shards, tmp_path / "site", OPTIONS, pages=pages)
    assert (done.num_images, done.num_masks, done.problems) == (3, 6, ())
    index = index_of(done.path)
    assert index["images"]["ids"] == [1, 2, 3]
    assert index["images"]["pictures"] == [
        "parts/0000/0.jpg",
        "parts/0000/1.jpg",
        "parts/0001/0.jpg",
    ]
    columns = np.frombuffer((done.path / "masks.bin").read_bytes(), np.uint8).reshape(3, 6)
    assert (columns[0] == 180).all()
    assert (columns[1] == 190).all()
    areas = np.array([mask.sum() for number in (1, 2, 3) for mask in draw_masks(number)])
    assert np.abs(columns[2] / 200 - np.sqrt(areas / (48 * 64))).max() <= 0.0025
    assert (done.path / "index.html").read_text() == "<title>ours</title>"
    assert (done.path / "assets" / "viewer-1.js").exists()
    assert "ours" in (done.path / "statistics.html").read_text()


def test_masks_and_pictures_are_those_of_the_data_set(shards, pages, tmp_path):
    site = write_viewer(shards, tmp_path / "site", OPTIONS, pages=pages).path
    assert (site / "parts/0001/0.jpg").read_bytes() == pair_files(3)[0][1]
    masks = json.loads((site / "parts/0001/0.json").read_bytes())["annotations"]
    assert Rle.from_coco(masks[0]["segmentation"]) == Rle.from_mask(draw_masks(3)[0])
    assert masks[0]["id"] == 3000
    assert masks[0]["predicted_iou"] == 0.9


def test_labelled_sets_have_no_scores(shapes_folder, pages, tmp_path):
    site = write_viewer(shapes_folder, tmp_path / "site", OPTIONS, pages=pages).path
    columns = np.frombuffer((site / "masks.bin").read_bytes(), np.uint8).reshape(3, -1)
    assert (columns[:2] == UNKNOWN).all()
    assert (columns[2] < UNKNOWN).all()
    masks = json.loads((site / "parts/0000/0.json").read_bytes())["annotations"]
    assert masks[0]["category"] == "shape"
    assert masks[0]["predicted_iou"] is None


def test_pictures_can_be_smaller(shards, pages, tmp_path):
    options = ViewerOptions(title="ours", longest_side=32, num_processes=1)
    site = write_viewer(shards, tmp_path / "site", options, pages=pages).path
    with Image.open(site / "parts/0000/0.jpg") as picture:
        assert picture.size == (32, 24)


def test_what_is_there_stays_and_what_changed_is_written_anew(shards, pages, tmp_path):
    site = write_viewer(shards, tmp_path / "site", OPTIONS, pages=pages).path
    kept, changed = site / "parts/0000/0.jpg", site / "parts/0001/0.jpg"
    before = kept.stat().st_ino, changed.stat().st_ino
    (shards / "sa_000001.tar").write_bytes(pack(pair_files(4)))
    write_viewer(shards, site, OPTIONS, pages=pages)
    assert kept.stat().st_ino == before[0]
    assert index_of(site)["images"]["ids"] == [1, 2, 4]
    (shards / "sa_000001.tar").unlink()
    write_viewer(shards, site, OPTIONS, pages=pages)
    assert index_of(site)["images"]["ids"] == [1, 2]
    assert not (site / "parts/0001").exists()


def test_pictures_that_cannot_be_shown_are_told(pages, tmp_path):
    files = [*pair_files(1), ("./sa_2.jpg", b"no picture"), pair_files(2)[1]]
    (tmp_path / "sa_000000.tar").write_bytes(pack(files))
    done = write_viewer(tmp_path / "sa_000000.tar", tmp_path / "site", OPTIONS, pages=pages)
    assert done.num_images == 1
    assert len(done.problems) == 1
    assert "sa_2.jpg" in done.problems[0]
    assert index_of(done.path)["num_problems"] == 1


def test_reports_are_shown(shards, pages, tmp_path):
    face = Region(box=(1.0, 2.0, 3.0, 4.0), kind="face", score=0.5, source="test")
    options = ViewerOptions(
        title="ours",
        num_processes=1,
        validation=ValidationState(num_images=3, num_masks=6, problems={"a": 2, "b": 1}),
        privacy=PrivacyState(
            num_images=3,
            num_left_out=0,
            num_by_kind={"face": 1},
            detectors="test",
            regions={"sa_2.jpg": (face,), "sa_3.jpg": ()},
        ),
    )
    index = index_of(write_viewer(shards, tmp_path / "site", options, pages=pages).path)
    assert index["num_broken_rules"] == 3
    assert list(index["regions"]) == ["1"]
    assert index["regions"]["1"][0]["box"] == [1, 2, 3, 4]


def test_other_folders_are_left_alone(shards, pages, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    with pytest.raises(InvalidInputError, match="new or empty"):
        write_viewer(shards, tmp_path / "mine", OPTIONS, pages=pages)


def test_pages_that_are_not_built_are_missed(shards, tmp_path):
    with pytest.raises(InvalidInputError, match="make web"):
        write_viewer(shards, tmp_path / "site", OPTIONS, pages=tmp_path)


def test_a_title_is_text(shards, pages, tmp_path):
    options = ViewerOptions(title="<i>", num_processes=1)
    site = write_viewer(shards, tmp_path / "site", options, pages=pages).path
    assert (site / "index.html").read_text() == "<title>&lt;i&gt;</title>"


def test_small_masks_lie_on_top_in_the_colours_of_their_places():
    large, small = np.ones((40, 60), dtype=bool), np.zeros((40, 60), dtype=bool)
    small[:20, :20] = True
    png = draw_small_masks([Rle.from_mask(small), Rle.from_mask(large)], (20, 30))
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("RGBA"))
    assert tuple(pixels[0, 0, :3]) == PALETTE[0]
    assert tuple(pixels[19, 29, :3]) == PALETTE[1]
    empty = np.asarray(Image.open(io.BytesIO(draw_small_masks([], (20, 30)))).convert("RGBA"))
    assert not empty[..., 3].any()
