import json

import numpy as np
import pytest

from anymask.core.errors import InvalidInputError, OutputError
from anymask.core.records import ImageRecord, MaskRecord, read_records, write_records
from anymask.core.rle import Rle

IMAGE = ImageRecord(image_id=560, width=5, height=4, file_name="sa_560.jpg")
MASK = MaskRecord(
    bbox=(1.0, 0.0, 2.0, 3.0),
    area=3,
    segmentation=Rle.from_mask(np.eye(4, 5, 1, dtype=bool)[:, :5] & (np.arange(4)[:, None] < 3)),
    predicted_iou=0.91,
    point_coords=((1.5, 0.25),),
    crop_box=(0.0, 0.0, 5.0, 4.0),
    id=1103484716,
    stability_score=0.97,
)


def test_keys_are_those_of_sa_1b_in_its_order():
    assert list(IMAGE.to_json()) == ["image_id", "width", "height", "file_name"]
    assert list(MASK.to_json()) == [
        "bbox",
        "area",
        "segmentation",
        "predicted_iou",
        "point_coords",
        "crop_box",
        "id",
        "stability_score",
    ]


def test_file_is_read_back_unchanged(tmp_path):
    path = tmp_path / "sa_560.json"
    write_records(path, IMAGE, [MASK, MASK])
    assert read_records(path) == (IMAGE, [MASK, MASK])
    assert list(json.loads(path.read_text())) == ["image", "annotations"]


def test_whole_floats_and_ints_are_both_accepted():
    data = MASK.to_json() | {"area": 3.0, "crop_box": [0, 0, 5, 4], "predicted_iou": 1}
    record = MaskRecord.from_json(data)
    assert record.area == 3
    assert type(record.area) is int
    assert record.crop_box == (0.0, 0.0, 5.0, 4.0)
    assert type(record.predicted_iou) is float


def test_missing_and_unknown_keys_are_named():
    data = MASK.to_json() | {"score": 1}
    del data["bbox"]
    with pytest.raises(InvalidInputError, match="missing bbox and unknown score"):
        MaskRecord.from_json(data)
    with pytest.raises(InvalidInputError, match="missing width"):
        ImageRecord.from_json({"image_id": 1, "height": 2, "file_name": "a"})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("area", 3.5),
        ("area", True),
        ("area", "3"),
        ("bbox", [1, 2, 3]),
        ("bbox", [1, 2, 3, None]),
        ("crop_box", 7),
        ("predicted_iou", float("nan")),
        ("point_coords", [1.0, 2.0]),
        ("point_coords", "ab"),
        ("id", None),
        ("stability_score", "high" * 50),
    ],
)
def test_wrong_value_names_its_key(key, value):
    with pytest.raises(InvalidInputError, match=f"^{key} must be") as caught:
        MaskRecord.from_json(MASK.to_json() | {key: value})
    assert len(str(caught.value)) < 150


def test_broken_file_names_the_file_and_the_mask(tmp_path):
    path = tmp_path / "a.json"
    with pytest.raises(InvalidInputError, match=r"a\.json must be a readable"):
        read_records(path)
    path.write_text('{"image": {')
    with pytest.raises(InvalidInputError, match=r"a\.json must be a readable"):
        read_records(path)
    path.write_text("[]")
    with pytest.raises(InvalidInputError, match=r"a\.json: file must be a JSON object"):
        read_records(path)
    bad = MASK.to_json() | {"segmentation": {"size": [5, 4], "counts": [20]}}
    path.write_text(json.dumps({"image": IMAGE.to_json(), "annotations": [MASK.to_json(), bad]}))
    with pytest.raises(InvalidInputError, match=r"annotation 1: segmentation size .*\[4, 5\]"):
        read_records(path)
    path.write_text(json.dumps({"image": IMAGE.to_json(), "annotations": {}}))
    with pytest.raises(InvalidInputError, match="annotations must be a list"):
        read_records(path)
    path.write_text(json.dumps({"image": IMAGE.to_json() | {"file_name": 3}, "annotations": []}))
    with pytest.raises(InvalidInputError, match="file_name must be text"):
        read_records(path)


def test_unwritable_place_is_an_output_error(tmp_path):
    with pytest.raises(OutputError, match="could not be written"):
        write_records(tmp_path / "missing" / "a.json", IMAGE, [MASK])
