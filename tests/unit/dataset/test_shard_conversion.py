import json
import sys
from pathlib import Path

import pyarrow.parquet
import pytest

from anymask.core.errors import InvalidInputError, MissingExtraError, OutputError, UnknownNameError
from anymask.dataset.formats.reading import AnnotationReader, find_files
from anymask.dataset.recorded import iter_dataset
from anymask.dataset.shard_conversion import TARGETS, convert_dataset
from released_shards import write_release
from sa1b_archives import draw_masks, jpeg_bytes, pack, record_of


@pytest.mark.parametrize("target", [target for target in TARGETS if target != "parquet"])
def test_shards_are_read_again_from_any_format(tmp_path: Path, target: str) -> None:
    folder = write_release(tmp_path / "set", [2, 1])
    done = convert_dataset(folder, tmp_path / "out", target, with_pictures=True)
    assert (done.images, done.masks, done.problems) == (3, 6, ())
    found = find_files(tmp_path / "out")
    reader = AnnotationReader(found)
    read = {
        Path(image.image.file_name).name: {mask.segmentation for mask in image.masks}
        for file in found.annotations
        for image in reader.read(file)
    }
    recorded = list(iter_dataset(folder))
    assert read == {
        image.file_name: {mask.segmentation for mask in masks} for _, image, masks in recorded
    }
    pictures = {path.name: path.read_bytes() for path in (tmp_path / "out").rglob("*.jpg")}
    assert pictures == {image.file_name: pair.image for pair, image, _ in recorded}


def test_the_parquet_index_joins_masks_with_images(tmp_path: Path) -> None:
    folder = write_release(tmp_path / "set", [2, 1])
    convert_dataset(folder, tmp_path / "out", "parquet")
    images, masks = (
        pyarrow.parquet.read_table(tmp_path / "out" / name)
        for name in ("images.parquet", "masks.parquet")
    )
    assert images.column("shard").to_pylist() == ["sa_000000.tar"] * 2 + ["sa_000001.tar"]
    assert images.column("number").to_pylist() == [0, 1, 0]
    joined = masks.join(images, "image_id")
    assert joined.num_rows == masks.num_rows == sum(images.column("num_masks").to_pylist()) == 6
    rows = {row["id"]: row for row in masks.to_pylist()}
    for _, image, records in iter_dataset(folder):
        for record in records:
            row = rows[record.id]
            assert row["image_id"] == image.image_id
            assert tuple(row[f"bbox_{side}"] for side in "xywh") == record.bbox
            assert tuple(row[f"crop_{side}"] for side in "xywh") == record.crop_box
            assert ((row["point_x"], row["point_y"]),) == record.point_coords
            assert row["area"] == record.area
            assert row["stability_score"] == record.stability_score


def test_lvis_counts_its_categories(tmp_path: Path) -> None:
    convert_dataset(write_release(tmp_path / "set", [2]), tmp_path / "out", "lvis")
    content = json.loads((tmp_path / "out/lvis_annotations.json").read_text())
    (category,) = content["categories"]
    assert (category["frequency"], category["image_count"], category["instance_count"]) == (
        "r",
        2,
        4,
    )
    assert all(row["not_exhaustive_category_ids"] == [1] for row in content["images"])
    assert all(isinstance(row["segmentation"], list) for row in content["annotations"])


def test_names_in_records_are_not_paths(tmp_path: Path) -> None:
    record = record_of(1, draw_masks(1))
    record["image"]["file_name"] = "../../evil.jpg"
    files = [("./sa_1.jpg", jpeg_bytes(1)), ("./sa_1.json", json.dumps(record).encode())]
    (tmp_path / "sa_000000.tar").write_bytes(pack(files))
    convert_dataset(tmp_path, tmp_path / "a/b/out", "yolo", with_pictures=True)
    written = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert written == {"sa_000000.tar", "data.yaml", "sa_1.txt", "sa_1.jpg"}


def test_parquet_without_its_package_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_release(tmp_path / "set", [1])
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(MissingExtraError, match=r"anymask\[dataset\]"):
        convert_dataset(folder, tmp_path / "out", "parquet")


def test_mistakes_are_told_before_anything_is_made(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="data set must be"):
        convert_dataset(tmp_path, tmp_path / "out", "coco")
    folder = write_release(tmp_path / "set", [1])
    with pytest.raises(UnknownNameError, match="parquet"):
        convert_dataset(folder, tmp_path / "out", "jpeg2000")
    assert not (tmp_path / "out").exists()
    with pytest.raises(OutputError, match="new or empty"):
        convert_dataset(folder, folder, "coco")
