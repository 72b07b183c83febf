"""Records of SA-1B as it was released, of ours, and of loose files."""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from anymask.core.errors import InvalidInputError
from anymask.core.rle import Rle
from anymask.dataset.recorded import dataset_parts, iter_dataset
from anymask.dataset.shard_writing import write_shard
from anymask.dataset.validation.validating import ValidationConfig, validate_dataset
from released_shards import released, write_release
from sa1b_archives import draw_image, draw_masks, pack

# What the format leaves open: whole numbers or floats in boxes, several digits in scores.
RELEASED = """{"image": {"image_id": 560, "width": 64, "height": 48, "file_name": "sa_560.jpg"}, \
"annotations": [{"bbox": [%s], "area": %d, "segmentation": {"size": [48, 64], "counts": "%s"}, \
"predicted_iou": 1.0049266815185547, "point_coords": [[40.25, 12.1875]], \
"crop_box": [%s], "id": 1103484716, "stability_score": 0.9747593998908997}]}"""


def handmade(crop: str) -> tuple[dict[str, Any], bytes]:
    """A record as it was released, and a gzip archive with it and its image."""
    rle = Rle.from_mask(draw_masks(560)[0])
    x0, y0, x1, y1 = (float(side) for side in rle.to_box())
    short = f"{x0}, {y0}, {x1 - x0 - 1}, {y1 - y0 - 1}"
    text = RELEASED % (short, rle.area, rle.to_coco()["counts"].replace("\\", "\\\\"), crop)
    stream = io.BytesIO()
    Image.fromarray(draw_image(560)).save(stream, format="JPEG")
    files = [("./sa_560.jpg", stream.getvalue()), ("./sa_560.json", text.encode())]
    return json.loads(text), pack(files, is_gzip=True)


@pytest.mark.parametrize("crop", ["0, 0, 64, 48", "0.0, 0.0, 64.0, 48.0"])
def test_the_released_layout_reads_without_loss(tmp_path: Path, crop: str) -> None:
    content, archive = handmade(crop)
    path = tmp_path / "sa_000000.tar"
    path.write_bytes(archive)
    ((pair, image, masks),) = iter_dataset(tmp_path)
    assert pair.name == "sa_560.jpg"
    assert image.to_json() == content["image"]
    assert list(image.to_json()) == list(content["image"])
    (annotation,) = content["annotations"]
    assert [mask.to_json() for mask in masks] == [annotation]
    assert list(masks[0].to_json()) == list(annotation)
    assert masks[0].bbox[2:] == tuple(
        masks[0].segmentation.to_box()[2:] - masks[0].segmentation.to_box()[:2] - 1
    )
    report = validate_dataset(tmp_path, ValidationConfig(needs_manifest=False), num_processes=1)
    assert report.findings.to_json() == {}


def test_our_shards_read_as_they_were_written(tmp_path: Path) -> None:
    folder = write_release(tmp_path, [2, 1])
    read = list(iter_dataset(folder))
    assert [image.image_id for _, image, _ in read] == [1, 2, 3]
    for pair, image, masks in read:
        made = released(image.image_id)
        assert pair.image == made.jpeg
        assert (image.height, image.width) == made.original_size
        assert [mask.segmentation for mask in masks] == [m.segmentation for m in made.masks]
        assert [mask.predicted_iou for mask in masks] == [0.9, 0.91]
        assert [mask.point_coords for mask in masks] == [m.point_coords for m in made.masks]


def test_unpacked_files_read_as_the_archive_does(tmp_path: Path) -> None:
    write_shard(tmp_path / "sa_000000.tar", [released(1), released(2)])
    with tarfile.open(tmp_path / "sa_000000.tar") as archive:
        archive.extractall(tmp_path / "loose", filter="data")
    packed, loose = (list(iter_dataset(tmp_path / name)) for name in ("sa_000000.tar", "loose"))
    assert [rest for _, *rest in packed] == [rest for _, *rest in loose]
    assert [pair.image for pair, *_ in packed] == [pair.image for pair, *_ in loose]
    assert dataset_parts(tmp_path / "loose") == (str(tmp_path / "loose"),)


def test_damage_is_an_error_or_set_aside(tmp_path: Path) -> None:
    files = [("./sa_1.jpg", b"x"), ("./sa_1.json", b"{}"), ("./sa_2.jpg", b"x")]
    (tmp_path / "sa_000000.tar").write_bytes(pack(files))
    with pytest.raises(InvalidInputError, match="dataset validate"):
        list(iter_dataset(tmp_path))
    told: list[str] = []
    assert not list(iter_dataset(tmp_path, set_aside=told.append))
    assert ["sa_1.jpg" in text or "sa_2.jpg has no JSON" in text for text in told] == [True, True]


def test_nothing_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="data set must be"):
        dataset_parts(tmp_path)
