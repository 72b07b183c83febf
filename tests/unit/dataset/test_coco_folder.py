"""A set written by hand is read back; every way it can be wrong is told in one line."""

import gzip
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anymask.core.errors import InvalidInputError
from anymask.core.rle import Rle
from anymask.dataset.coco_folder import find_sets, read_coco_folder

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
    (folder / "images").mkdir(parents=True)
    raw = json.dumps(content).encode()
    (folder / name).write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
    return folder


@pytest.mark.parametrize("name", ["masks.json.gz", "masks.json", "annotations.json"])
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
        images = read_coco_folder(path)
        assert all(image.path.is_file() for image in images)
        assert all(mask.rle.size == image.original_size for image in images for mask in image.masks)
