"""A set written by hand is read back; every way it can be wrong is told in one line."""

import gzip
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from anymask.core.errors import InvalidInputError
from anymask.core.rle import Rle
from anymask.dataset.coco_folder import read_coco_folder
from anymask.dataset.sets import find_sets, read_set

MASK = np.zeros((4, 6), dtype=bool)
MASK[1:3, 2:5] = True


def make_content(segmentation: Any = None, **changes: Any) -> dict[str, Any]:
    segmentation = Rle.from_mask(MASK).to_coco() if segmentation is None else segmentation
    return {
        "images": [{"id": 1, "file_name": "a.jpg", "width": 6, "height": 4}],
        "annotations": [{"id": 7, "image_id": 1, "segmentation": segmentation, "category_id": 3}],
        "categories": [{"id": 3, "name": "leaf"}],
        **changes,
    }


def write_set(folder: Path, content: Any, name: str = "masks.json.gz") -> Path:
    """The JSON with grey images of the names and sizes that it lists."""
    raw = json.dumps(content).encode()
    (folder / name).parent.mkdir(parents=True)
    (folder / name).write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
    for item in content.get("images", ()) if isinstance(content, dict) else ():
        if "file_name" in item:
            draw_grey(folder / "images" / item["file_name"], (item["width"], item["height"]))
    return folder


def draw_grey(path: Path, size: tuple[int, int]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, "grey").save(path)


@pytest.mark.parametrize(
    "name", ["masks.json.gz", "masks.json", "annotations.json", "_annotations.coco.json"]
)
def test_every_file_name_is_read(tmp_path: Path, name: str) -> None:
    (image,) = read_coco_folder(write_set(tmp_path / "set", make_content(), name))
    assert image.image_id == 1
    assert image.original_size == (4, 6)
    assert image.path == tmp_path / "set" / "images" / "a.jpg"
    (mask,) = image.masks
    assert (mask.annotation_id, mask.category) == (7, "leaf")
    np.testing.assert_array_equal(mask.rle.to_mask(), MASK)


def test_uncompressed_rle_gives_the_same_mask(tmp_path: Path) -> None:
    content = make_content(Rle.from_mask(MASK).to_coco_uncompressed())
    (image,) = read_coco_folder(write_set(tmp_path / "set", content))
    np.testing.assert_array_equal(image.masks[0].rle.to_mask(), MASK)


def test_polygons_cover_what_they_outline(tmp_path: Path) -> None:
    content = make_content([[2, 1, 5, 1, 5, 3, 2, 3], [0, 0, 1, 0, 1, 1, 0, 1]])
    (image,) = read_coco_folder(write_set(tmp_path / "set", content))
    mask = image.masks[0].rle.to_mask()
    assert mask[1:3, 2:5].all()
    assert mask[0, 0]
    assert not mask[3, 0]


def test_polygons_are_read_without_pycocotools(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pycocotools", None)
    content = make_content([[2, 1, 5, 1, 5, 3, 2, 3]])
    (image,) = read_coco_folder(write_set(tmp_path / "set", content))
    mask = image.masks[0].rle.to_mask()
    assert mask[1:3, 2:5].all()
    assert not mask[:, :2].any()


def test_images_come_sorted_by_id_and_may_have_no_mask(tmp_path: Path) -> None:
    images = [{"id": i, "file_name": f"{i}.jpg", "width": 6, "height": 4} for i in (3, 1, 2)]
    read = read_coco_folder(write_set(tmp_path / "set", make_content(images=images)))
    assert [image.image_id for image in read] == [1, 2, 3]
    assert [len(image.masks) for image in read] == [1, 0, 0]


def test_crowds_and_empty_masks_are_left_out(tmp_path: Path) -> None:
    kept = make_content()["annotations"][0]
    empty = Rle.from_mask(np.zeros((4, 6), dtype=bool)).to_coco()
    annotations = [{**kept, "id": 9, "iscrowd": 1}, kept, {**kept, "id": 8, "segmentation": empty}]
    (image,) = read_coco_folder(write_set(tmp_path / "set", make_content(annotations=annotations)))
    assert [mask.annotation_id for mask in image.masks] == [7]


def test_an_image_that_is_not_there_is_told(tmp_path: Path) -> None:
    folder = write_set(tmp_path / "set", make_content())
    (folder / "images" / "a.jpg").rename(folder / "b.jpg")
    with pytest.raises(InvalidInputError, match=r"got a\.jpg \(1 of 1 are missing\)") as caught:
        read_coco_folder(folder)
    assert "\n" not in str(caught.value)


def test_an_image_of_another_size_than_its_masks_is_told(tmp_path: Path) -> None:
    folder = write_set(tmp_path / "set", make_content())
    draw_grey(folder / "images" / "a.jpg", (4, 6))
    with pytest.raises(InvalidInputError, match=r"a\.jpg must have .* \(4, 6\), got \(6, 4\)"):
        read_coco_folder(folder)


def test_a_turned_photo_fits_masks_that_are_upright(tmp_path: Path) -> None:
    folder = write_set(tmp_path / "set", make_content())
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    Image.new("RGB", (4, 6), "grey").save(folder / "images" / "a.jpg", exif=exif)
    assert read_coco_folder(folder)[0].original_size == (4, 6)


def test_coco_as_it_unpacks_is_a_set_for_each_json(tmp_path: Path) -> None:
    for split in ("train2017", "val2017"):
        write_set(tmp_path / split, make_content(), f"unused_{split}/instances_{split}.json")
        file = tmp_path / split / f"unused_{split}" / f"instances_{split}.json"
        (tmp_path / "annotations").mkdir(exist_ok=True)
        file.rename(tmp_path / "annotations" / file.name)
        (tmp_path / split / "images" / "a.jpg").rename(tmp_path / split / "a.jpg")
        (tmp_path / split / "images").rmdir()
    (tmp_path / "annotations" / "captions_val2017.json").write_text("{}")
    sets = find_sets(tmp_path)
    assert list(sets) == ["instances_train2017", "instances_val2017"]
    for split, path in zip(("train2017", "val2017"), sets.values(), strict=True):
        (image,) = read_set(path)
        assert image.path == tmp_path / split / "a.jpg"
    with pytest.raises(InvalidInputError, match=r"must hold one instance JSON, got instances_"):
        read_coco_folder(tmp_path)


@pytest.mark.parametrize("version", ["v1", "v0.5"])
def test_lvis_is_read_with_its_own_fields(tmp_path: Path, version: str) -> None:
    lists: dict[str, Any] = {"neg_category_ids": [8], "not_exhaustive_category_ids": [3]}
    image = {"id": 1, "width": 6, "height": 4, "coco_url": "http://x.org/val2017/0001.jpg", **lists}
    if version == "v0.5":
        image["file_name"] = "COCO_val2014_0001.jpg"  # the url is right, not this
    content = make_content([[2, 1, 5, 1, 5, 3, 2, 3]])
    annotation = {k: v for k, v in content["annotations"][0].items() if k != "iscrowd"}
    category = {"id": 3, "name": "stop_sign", "synset": "stop_sign.n.01", "frequency": "c"}
    draw_grey(tmp_path / "val2017" / "0001.jpg", (6, 4))
    (tmp_path / f"lvis_{version}_val.json").write_text(
        json.dumps({"images": [image], "annotations": [annotation], "categories": [category]})
    )
    (path,) = find_sets(tmp_path).values()
    (read,) = read_set(path)
    assert read.path == tmp_path / "val2017" / "0001.jpg"
    assert [mask.category for mask in read.masks] == ["stop_sign"]


def test_a_set_finds_itself_and_a_parent_finds_its_sets(tmp_path: Path) -> None:
    for name in ("b", "a"):
        write_set(tmp_path / name, make_content())
    (tmp_path / "other").mkdir()
    assert find_sets(tmp_path) == {"a": tmp_path / "a", "b": tmp_path / "b"}
    assert find_sets(tmp_path / "a") == {"a": tmp_path / "a"}


def test_missing_folder_and_missing_json_are_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"existing folder, got .*gone"):
        read_coco_folder(tmp_path / "gone")
    with pytest.raises(InvalidInputError, match=r"must hold one of masks\.json\.gz"):
        read_coco_folder(tmp_path)
    with pytest.raises(InvalidInputError, match="sub-folders that are sets"):
        find_sets(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], "must hold a JSON object, got list"),
        ({}, "missing key 'images'"),
        (make_content(annotations=[]), "got 1 images and no mask"),
        (
            make_content(images=2 * make_content()["images"]),
            "image ids of .* unique, got 1 2 times",
        ),
        (make_content(annotations=2 * make_content()["annotations"]), "annotation ids .* got 7 2"),
        (make_content(images=[]), "must belong to a listed image, got image_id 1"),
        (make_content(annotations=[{"id": 1}]), "missing key 'image_id'"),
        (make_content(images=[{"id": "x"}]), "must be a COCO instance JSON"),
        (make_content({"size": [5, 6], "counts": [30]}), r"\(4, 6\), got \(5, 6\)"),
        (make_content({"size": [4, 6], "counts": [3]}), "segmentation of annotation 7"),
        (make_content([[1, 2, 3]]), "polygons of annotation 7 must be flat lists"),
    ],
)
def test_content_that_does_not_fit_is_told_in_one_line(
    tmp_path: Path, content: Any, message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message) as caught:
        read_coco_folder(write_set(tmp_path / "set", content))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("raw", [b"", b"no gzip", gzip.compress(b"{")[:-6], gzip.compress(b"{")])
def test_damaged_files_are_told(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "masks.json.gz").write_bytes(raw)
    with pytest.raises(InvalidInputError, match="must be readable JSON"):
        read_coco_folder(tmp_path)


@pytest.mark.data
def test_every_real_set_is_read_with_its_pictures_in_place() -> None:
    folder = Path(os.environ.get("ANYMASK_DATA", "../shared/data")) / "eval"
    if not folder.is_dir():
        pytest.skip("no real photographs: set ANYMASK_DATA")
    for path in find_sets(folder).values():
        images = read_set(path)
        assert all(image.path.is_file() for image in images)
        assert all(mask.rle.size == image.original_size for image in images for mask in image.masks)
