"""Whole data sets concealed: folders with masks, archives; what is left out, what is resumed."""

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from anymask.core.errors import InvalidInputError
from anymask.core.image_io import read_image
from anymask.core.records import ImageRecord, MaskRecord, mask_id, read_records, write_records
from anymask.core.rle import Rle
from anymask.dataset.manifest import read_manifest
from anymask.dataset.privacy import blurring
from anymask.dataset.privacy.blur_report import write_report, write_reviewer_report
from anymask.dataset.privacy.blurring import blur_dataset
from anymask.dataset.privacy.detectors import DetectorChoice
from anymask.dataset.privacy.journal import BlurredImage, Journal
from anymask.dataset.privacy.regions import Region
from anymask.dataset.recorded import iter_dataset
from anymask.dataset.release import encode_release, release_image
from anymask.dataset.shard_writing import shard_name, write_shard

BOX = (10.0, 8.0, 30.0, 28.0)


class RedFinder:
    """Finds the red square that `photo` draws."""

    name = "red"

    def find(self, image: Any) -> tuple[Region, ...]:
        red = (image[..., 0] > 180) & (image[..., 1] < 90)
        if not red.any():
            return ()
        return (Region(box=BOX, kind="face", score=0.9, source=self.name),)


@dataclass(frozen=True)
class RedChoice(DetectorChoice):
    """A choice that another process can make, too."""

    def load(self) -> tuple[RedFinder, ...]:  # type: ignore[override]
        return (RedFinder(),)

    def to_json(self) -> list[dict[str, Any]]:
        return [{"name": "red"}]


def photo(seed: int, *, has_face: bool = True) -> np.ndarray[Any, np.dtype[np.uint8]]:
    image = np.random.default_rng(seed).integers(100, 140, (48, 64, 3), dtype=np.uint8)
    if has_face:
        image[8:28, 10:30] = 250, 10, 10
        image[12:16, 14:26] = 255, 255, 255
    return image


def mask(place: int, image_id: int) -> MaskRecord:
    pixels = np.zeros((48, 64), np.bool_)
    pixels[5 : 9 + place, 3:20] = True
    rle = Rle.from_mask(pixels)
    return MaskRecord(
        bbox=(3.0, 5.0, 17.0, 4.0 + place),
        area=rle.area,
        segmentation=rle,
        predicted_iou=0.9,
        point_coords=((4.0, 6.0),),
        crop_box=(0.0, 0.0, 64.0, 48.0),
        id=mask_id(image_id, place),
        stability_score=0.95,
    )


def is_concealed(jpeg: bytes | Path) -> bool:
    x0, y0, x1, y1 = map(int, BOX)
    inside = read_image(jpeg)[y0:y1, x0:x1].astype(float)
    return bool(abs(np.diff(inside, axis=1)).max() < 60)  # no edge of white on red


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three photographs of different types, one with masks, one without a face, one in a folder."""
    source = tmp_path / "photos"
    (source / "more").mkdir(parents=True)
    exif = Image.Exif()
    exif[0x010E] = "Ada at home"
    Image.fromarray(photo(0)).save(source / "a.jpg", exif=exif, quality=95)
    Image.fromarray(photo(1, has_face=False)).save(source / "b.png")
    Image.fromarray(photo(2)).save(source / "more" / "c.png")
    record = ImageRecord(image_id=7, width=64, height=48, file_name="a.jpg")
    write_records(source / "a.json", record, [mask(0, 7)])
    return source


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """Two archives of three images each."""
    source = tmp_path / "set"
    source.mkdir()
    for number in range(2):
        images = [
            release_image(i, photo(i, has_face=i % 2 == 0), [mask(p, i) for p in range(2)])
            for i in range(3 * number, 3 * number + 3)
        ]
        write_shard(source / shard_name(number), images)
    return source


def output_of(tmp_path: Path) -> Path:
    output = tmp_path / "out"
    output.mkdir(exist_ok=True)
    return output


def test_photographs_keep_their_masks_and_lose_faces_and_metadata(
    folder: Path, tmp_path: Path
) -> None:
    output = output_of(tmp_path)
    images = blur_dataset(folder, output, RedChoice())
    assert [(image.name, len(image.regions)) for image in images] == [
        ("a.jpg", 1),
        ("b.png", 0),
        ("more/c.png", 1),
    ]
    written = sorted(p.relative_to(output).as_posix() for p in output.rglob("*.jp*g"))
    assert written == ["a.jpg", "b.jpg", "more/c.jpg"]
    assert is_concealed(output / "a.jpg")
    assert is_concealed(output / "more" / "c.jpg")
    assert read_records(output / "a.json") == read_records(folder / "a.json")
    originals = {path.read_bytes() for path in folder.rglob("*.*g")}
    for path in (path for path in output.rglob("*") if path.is_file()):
        data = path.read_bytes()
        assert data not in originals
        assert b"Ada at home" not in data


def test_archives_keep_their_masks(shards: Path, tmp_path: Path) -> None:
    output = output_of(tmp_path)
    images = blur_dataset(shards, output, RedChoice())
    assert len(images) == 6
    before = [(record, masks) for _, record, masks in iter_dataset(shards)]
    after = list(iter_dataset(output))
    assert [(record, masks) for _, record, masks in after] == before
    concealed = [is_concealed(pair.image) for pair, record, _ in after if record.image_id % 2 == 0]
    assert concealed == [True] * 3
    assert read_manifest(output).num_masks == 12


def test_processes_give_the_same_files(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from concurrent.futures import ThreadPoolExecutor

    one, two = tmp_path / "one", tmp_path / "two"
    one.mkdir()
    two.mkdir()
    blur_dataset(folder, one, RedChoice())

    def threads(number: int, mp_context: Any, **more: Any) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(number, **more)

    monkeypatch.setattr(blurring, "ProcessPoolExecutor", threads)
    blur_dataset(folder, two, RedChoice(), num_workers=2)
    files = sorted(path.relative_to(one) for path in one.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(two) for path in two.rglob("*") if path.is_file())
    assert all((one / name).read_bytes() == (two / name).read_bytes() for name in files)


@pytest.mark.parametrize("kind", ["folder", "shards"])
def test_a_killed_run_goes_on(
    kind: str, folder: Path, shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = {"folder": folder, "shards": shards}[kind]
    whole = tmp_path / "whole"
    whole.mkdir()
    images = blur_dataset(source, whole, RedChoice())
    output = output_of(tmp_path)

    def die(image: BlurredImage) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        blur_dataset(source, output, RedChoice(), progress=die)
    with (output / "report" / "regions.jsonl").open("a") as stream:
        stream.write('{"name": "cut o')
    looked: list[BlurredImage] = []
    assert blur_dataset(source, output, RedChoice(), progress=looked.append) == images
    assert 0 < len(looked) < len(images)
    files = [path.relative_to(whole) for path in whole.rglob("*") if path.is_file()]
    assert all((whole / name).read_bytes() == (output / name).read_bytes() for name in files)


def test_other_detectors_need_another_folder(folder: Path, tmp_path: Path) -> None:
    output = output_of(tmp_path)
    Journal(output, [{"name": "blue"}])
    with pytest.raises(InvalidInputError, match="detectors must be those"):
        blur_dataset(folder, output, RedChoice())


def test_what_cannot_be_used_is_left_out_with_its_reason(folder: Path, tmp_path: Path) -> None:
    (folder / "d.jpg").write_bytes(b"no image")
    picture = encode_release(photo(3))
    (folder / "e.jpg").write_bytes(picture)
    (folder / "e.json").write_text(json.dumps({"imageData": "the photograph itself"}))
    (folder / "f.jpg").write_bytes(picture)
    record = ImageRecord(image_id=8, width=640, height=48, file_name="f.jpg")
    write_records(folder / "f.json", record, [])
    output = output_of(tmp_path)
    images = {image.name: image.problem for image in blur_dataset(folder, output, RedChoice())}
    assert "must be an image" in str(images["d.jpg"])
    assert "must have exactly the keys" in str(images["e.jpg"])
    assert "must have its record's size" in str(images["f.jpg"])
    assert images["a.jpg"] is None
    assert not {"d.jpg", "e.jpg", "e.json", "f.jpg"} & {path.name for path in output.rglob("*")}


def test_photographs_that_would_share_a_name_are_refused(folder: Path, tmp_path: Path) -> None:
    Image.fromarray(photo(0)).save(folder / "b.jpg")
    with pytest.raises(InvalidInputError, match=r"got b\.jpg and b\.png"):
        blur_dataset(folder, output_of(tmp_path), RedChoice())


@pytest.mark.parametrize("kind", ["folder", "shards"])
def test_reports_show_regions_and_no_originals(
    kind: str, folder: Path, shards: Path, tmp_path: Path
) -> None:
    source = {"folder": folder, "shards": shards}[kind]
    output = output_of(tmp_path)
    images = blur_dataset(source, output, RedChoice())
    page = write_report(output, images, RedChoice().to_json()).read_text()
    content = json.loads((output / "report" / "report.json").read_text())
    num_regions = sum(len(image.regions) for image in images)
    assert content["summary"]["num_regions"] == num_regions
    assert sum(len(image["regions"]) for image in content["images"]) == num_regions
    shown = pictures_of(page)
    assert len(shown) == num_regions
    assert not any(has_sharp_edges(picture) for picture in shown)

    reviewers = tmp_path / "reviewers.html"
    write_reviewer_report(reviewers, source, output, images)
    shown = pictures_of(reviewers.read_text())
    assert [has_sharp_edges(picture) for picture in shown] == [True, False] * num_regions
    with pytest.raises(InvalidInputError, match="must lie outside"):
        write_reviewer_report(output / "report" / "all.html", source, output, images)


def pictures_of(page: str) -> list[bytes]:
    from base64 import b64decode

    return [b64decode(part.split('"')[0]) for part in page.split("base64,")[1:]]


def has_sharp_edges(jpeg: bytes) -> bool:
    with Image.open(io.BytesIO(jpeg)) as picture:
        green = np.asarray(picture)[..., 1].astype(int)
    return bool(abs(np.diff(green, axis=1)).max() > 100)
