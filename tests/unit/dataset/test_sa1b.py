"""SA-1B's loose files are read back; masks are the truth, and damage is told in one line."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from anymask.core.errors import InvalidInputError
from anymask.dataset.sa1b import parse_sa1b, read_sa1b_folder
from anymask.dataset.sets import find_sets, read_set
from sa1b_archives import draw_masks, pair_files, record_of


def write_folder(folder: Path, numbers: range) -> Path:
    folder.mkdir(parents=True)
    for number in numbers:
        for name, content in pair_files(number):
            (folder / name).write_bytes(content)
    return folder


def test_a_folder_of_pairs_is_read_with_holes_and_parts(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "sa", range(1, 4))
    Image.new("RGB", (8, 8)).save(folder / "unlabelled.jpg")
    assert find_sets(tmp_path) == {"sa": folder}
    images = read_set(folder)
    assert [image.path.name for image in images] == ["sa_1.jpg", "sa_2.jpg", "sa_3.jpg"]
    for number, image in enumerate(images, 1):
        assert [mask.annotation_id for mask in image.masks] == [1000 * number, 1000 * number + 1]
        for mask, truth in zip(image.masks, draw_masks(number), strict=True):
            np.testing.assert_array_equal(mask.rle.to_mask(), truth)


def test_records_of_others_may_leave_out_scores_and_give_names() -> None:
    record = record_of(1, draw_masks(1))
    for item in record["annotations"]:
        item |= {"category": "ring", "extra": 1}
        for key in ("predicted_iou", "stability_score", "crop_box", "point_coords", "bbox", "id"):
            del item[key]
    record["annotations"].append({**record["annotations"][0], "area": 0})
    parsed = parse_sa1b(json.dumps(record).encode())
    assert parsed.names == ("ring", "ring")
    assert parsed.ids == (0, 1)
    assert [mask.area for mask in parsed.masks[:]] == [mask.sum() for mask in draw_masks(1)]


def test_masks_are_decoded_when_asked_for() -> None:
    record = record_of(1, draw_masks(1))
    record["annotations"][1]["segmentation"] = {"size": [9, 9], "counts": [81]}
    parsed = parse_sa1b(json.dumps(record).encode())
    assert parsed.masks[0].size == (48, 64)
    with pytest.raises(
        InvalidInputError, match=r"annotation 1 must have .*\(48, 64\), got \(9, 9\)"
    ):
        parsed.masks[-1]
    with pytest.raises(IndexError):
        parsed.masks[2]


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "SA-1B's JSON"),
        (b"[]", "SA-1B's JSON"),
        (b'{"image": {"width": 3, "height": 3}}', "no key 'annotations'"),
        (b'{"image": {"width": 3}, "annotations": []}', "no key 'height'"),
        (b'{"image": {"width": 3, "height": 3}, "annotations": [{}]}', "no key 'segmentation'"),
        (b"\xff\xfe\x00", "SA-1B's JSON"),
    ],
)
def test_damaged_records_are_told(raw: bytes, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message) as caught:
        parse_sa1b(raw)
    assert "\n" not in str(caught.value)


def _edit(file: Path, **changes: Any) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


def test_what_does_not_fit_in_a_folder_is_told_with_its_file(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "alone", range(1, 3))
    (folder / "sa_2.jpg").unlink()
    with pytest.raises(InvalidInputError, match=r"sa_2\.json must have an image of its name"):
        read_sa1b_folder(folder)

    folder = write_folder(tmp_path / "damaged", range(1, 3))
    (folder / "sa_2.json").write_text("{")
    with pytest.raises(InvalidInputError, match=r"sa_2\.json: must be SA-1B's JSON"):
        read_sa1b_folder(folder)

    folder = write_folder(tmp_path / "size", range(1, 2))
    Image.new("RGB", (64, 50)).save(folder / "sa_1.jpg")
    with pytest.raises(
        InvalidInputError, match=r"sa_1\.jpg must have .*\(48, 64\), got \(50, 64\)"
    ):
        read_sa1b_folder(folder)

    folder = write_folder(tmp_path / "empty", range(1, 2))
    _edit(folder / "sa_1.json", annotations=[])
    with pytest.raises(InvalidInputError, match="got 1 images and no mask"):
        read_sa1b_folder(folder)
