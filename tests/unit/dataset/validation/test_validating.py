"""Every rule is broken once, and told by its name; what is whole has no problem."""

import gzip
import io
import json
import re
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from anymask.cli.main import main
from anymask.core.errors import InvalidInputError
from anymask.core.rle import Rle
from anymask.dataset.validation.rules import RULES
from anymask.dataset.validation.validating import ValidationConfig, validate_dataset
from released_shards import write_release
from sa1b_archives import draw_masks, jpeg_bytes, pack, record_of, write_shards

Files = dict[str, bytes]
NO_MANIFEST = ValidationConfig(needs_manifest=False)
BIG = (70, 90)


def valid_files() -> Files:
    """Two images by name, as in an archive."""
    files: Files = {}
    for number in (1, 2):
        record = record_of(number, draw_masks(number))
        files[f"./sa_{number}.jpg"] = jpeg_bytes(number)
        files[f"./sa_{number}.json"] = json.dumps(record).encode()
    return files


def with_exif(tag: int, value: Any) -> bytes:
    exif = Image.Exif()
    if isinstance(value, dict):
        exif.get_ifd(tag).update(value)
        exif[tag] = exif.get_ifd(tag)
    else:
        exif[tag] = value
    return jpeg_bytes(1, exif=exif)


def files(**changed: bytes | None) -> Callable[[], bytes]:
    """An archive in which files of image 1 are others, or absent."""

    def make() -> bytes:
        content = valid_files() | {
            f"./sa_1.{name}": data for name, data in changed.items() if data is not None
        }
        for name, data in changed.items():
            if data is None:
                del content[f"./sa_1.{name}"]
        return pack(content.items())

    return make


def record(change: Callable[[dict[str, Any]], object]) -> Callable[[], bytes]:
    """An archive in which the record of image 1 was changed."""

    def make() -> bytes:
        content = json.loads(valid_files()["./sa_1.json"])
        change(content)
        return files(json=json.dumps(content).encode())()

    return make


def mask(**values: Any) -> Callable[[], bytes]:
    """An archive in which the first mask of image 1 has other values."""
    return record(lambda content: content["annotations"][0].update(values))


def member(name: str, kind: bytes = tarfile.REGTYPE, data: bytes = b"x") -> Callable[[], bytes]:
    """An archive with one more member."""

    def make() -> bytes:
        stream = io.BytesIO(pack(valid_files().items()))
        with tarfile.open(fileobj=stream, mode="a") as archive:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            info.size = len(data) if kind == tarfile.REGTYPE else 0
            archive.addfile(info, io.BytesIO(data))
        return stream.getvalue()

    return make


def packed(change: Callable[[bytes], bytes]) -> Callable[[], bytes]:
    return lambda: change(pack(valid_files().items()))


def second_header_broken(raw: bytes) -> bytes:
    place = raw.index(b"./sa_1.json")
    return raw[:place] + b"#" + raw[place + 1 :]


def without_end_mark(raw: bytes) -> bytes:
    return raw.rstrip(b"\0") + b"\0" * (-len(raw.rstrip(b"\0")) % 512)


def check_sum_broken(raw: bytes) -> bytes:
    whole = bytearray(gzip.compress(raw))
    whole[-6] ^= 1
    return bytes(whole)


RING = Rle.from_mask(draw_masks(1)[0])
ONE_MASK = {
    "rle-damaged": {"segmentation": {"size": [48, 64], "counts": "zz"}},
    "rle-size": {"segmentation": {"size": [64, 48], "counts": RING.to_coco()["counts"]}},
    "empty-mask": {"segmentation": {"size": [48, 64], "counts": [48 * 64]}},
    "wrong-area": {"area": RING.area + 1},
    "wrong-bbox": {"bbox": [0, 0, 3, 3]},
    "point-outside": {"point_coords": [[64.5, 3]]},
    "crop-box-outside": {"crop_box": [0, 0, 66, 48]},
    "score-range": {"stability_score": 1.01},
    "wrong-type": {"predicted_iou": "0.9"},
    "id-range": {"id": 1 << 53},
}
SHARDS = {rule: [mask(**values)] for rule, values in ONE_MASK.items()}
SHARDS["score-range"] += [mask(predicted_iou=-0.1), mask(predicted_iou=1.3)]
SHARDS["crop-box-outside"] += [mask(crop_box=[0, 0, 0, 48])]
SHARDS["wrong-type"] += [
    mask(area=1.5),
    mask(bbox=[0, 0, 1]),
    mask(point_coords=[1, 2]),
    mask(stability_score=float("nan")),
    record(lambda content: content["image"].update(width="64")),
    record(lambda content: content.update(annotations={})),
]
SHARDS |= {
    "not-an-archive": [lambda: b"<html>404</html>" * 100, lambda: b""],
    "damaged-gzip": [packed(check_sum_broken)],
    "cut-off": [
        packed(lambda raw: raw[:3000]),
        packed(lambda raw: raw[: raw.index(b"./sa_2.jpg") + 300]),
        packed(without_end_mark),
        packed(lambda raw: gzip.compress(raw)[:-500]),
    ],
    "damaged-header": [packed(second_header_broken)],
    "hidden-data": [packed(lambda raw: raw + raw)],
    "empty-shard": [lambda: pack([])],
    "unsafe-name": [
        member("../sa_3.jpg"),
        member("/etc/sa_3.jpg"),
        member("a\\sa_3.jpg"),
        member("C:sa_3.jpg"),
        member("sa_3\n.jpg"),
    ],
    "unsafe-member": [
        member("./sa_3.jpg", tarfile.SYMTYPE),
        member("./sa_3.jpg", tarfile.LNKTYPE),
        member("./sa_3.jpg", tarfile.CHRTYPE),
        member("./sa_3.jpg", tarfile.FIFOTYPE),
    ],
    "unexpected-member": [member("./photos/sa_3.jpg"), member("./sa_3.png"), member("./sa_03.jpg")],
    "duplicate-member": [member("sa_1.jpg")],
    "member-size": [member("./sa_3.jpg", data=b"")],
    "missing-image": [files(jpg=None)],
    "missing-record": [files(json=None)],
    "not-json": [files(json=b'{"image": '), files(json=b"\xff\xfe\x00"), files(json=b"[" * 99_999)],
    "wrong-keys": [
        files(json=b"[]"),
        mask(category="dog"),
        record(lambda content: content["annotations"][0].pop("id")),
        record(lambda content: content["image"].pop("height")),
        record(lambda content: content.update(info={})),
    ],
    "file-name": [record(lambda content: content["image"].update(file_name="sa_2.jpg"))],
    "image-id": [record(lambda content: content["image"].update(image_id=7))],
    "duplicate-mask-id": [mask(id=2000)],
    "image-damaged": [
        files(jpg=jpeg_bytes(1)[:-900]),
        files(jpg=b"GIF89a no"),
    ],
    "image-format": [files(jpg=jpeg_bytes(1, format="PNG"))],
    "image-size": [files(jpg=jpeg_bytes(1, (48, 60)))],
    "image-turned": [files(jpg=with_exif(0x0112, 3))],
    "image-location": [files(jpg=with_exif(0x8825, {1: "N"}))],
}


def cases() -> Iterator[Any]:
    for rule, makers in SHARDS.items():
        for i, make in enumerate(makers):
            yield pytest.param(rule, make, id=f"{rule}-{i}")


@pytest.mark.parametrize(("rule", "make"), list(cases()))
def test_a_broken_shard_is_told_by_its_rule(
    tmp_path: Path, rule: str, make: Callable[[], bytes]
) -> None:
    path = tmp_path / "sa_000000.tar"
    path.write_bytes(make())
    report = validate_dataset(path, num_processes=1)
    found = report.findings.to_json()
    # What is lost leaves a shard without images.
    assert rule in found
    assert found.keys() <= {rule} | ({"empty-shard"} if not report.num_images else set())
    assert not report.is_valid
    assert found[rule]["examples"][0]["place"].startswith("sa_000000.tar")


def test_whole_shards_have_no_problem(tmp_path: Path) -> None:
    for is_gzip in (False, True):
        paths = write_shards(tmp_path / str(is_gzip), [2, 3], is_gzip=is_gzip)
        report = validate_dataset(tmp_path / str(is_gzip), NO_MANIFEST, num_processes=1)
        assert report.findings.to_json() == {}
        assert (report.num_shards, report.num_images, report.num_masks) == (2, 5, 10)
        assert report.num_bytes == sum(Path(path).stat().st_size for path in paths)


@pytest.mark.parametrize("released_bbox", [False, True])
def test_what_we_write_has_no_problem_in_any_number_of_processes(
    tmp_path: Path, released_bbox: bool
) -> None:
    folder = write_release(tmp_path, [2, 1, 2], released_bbox=released_bbox)
    reports = [validate_dataset(folder, num_processes=count).to_json() for count in (1, 2)]
    assert reports[0] == reports[1]
    assert reports[0]["is_valid"]
    assert reports[0]["num_masks"] == 10


def test_images_that_are_too_large_are_told(tmp_path: Path) -> None:
    write_shards(tmp_path, [1], size=BIG)
    config = ValidationConfig(needs_manifest=False, shortest_side=48)
    assert list(validate_dataset(tmp_path, config, num_processes=1).findings.counts) == [
        "shortest-side"
    ]


def test_numbers_of_other_shards_are_told(tmp_path: Path) -> None:
    (first,) = write_shards(tmp_path, [2])
    (tmp_path / "sa_000001.tar").write_bytes(Path(first).read_bytes())
    findings = validate_dataset(tmp_path, NO_MANIFEST, num_processes=1).findings
    assert findings.counts == {"duplicate-image-id": 2, "duplicate-mask-id": 4}
    assert findings.examples["duplicate-image-id"][0].place == "sa_000001.tar"
    assert "also in sa_000000.tar" in findings.examples["duplicate-image-id"][0].text


def drop_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def damage_manifest(folder: Path) -> None:
    (folder / "manifest.json").write_text("{}")


def drop_shard(folder: Path) -> None:
    (folder / "sa_000001.tar").unlink()


def add_shard(folder: Path) -> None:
    write_shards(folder / "more", [1])
    files = [(f"./sa_9.{kind}", data) for kind, data in nine().items()]
    (folder / "sa_000002.tar").write_bytes(pack(files))


def nine() -> dict[str, bytes]:
    return {"jpg": jpeg_bytes(9), "json": json.dumps(record_of(9, draw_masks(9))).encode()}


def change_shard(folder: Path) -> None:
    path = folder / "sa_000001.tar"
    path.write_bytes(path.read_bytes() + b"\0" * 512)


def change_counts(folder: Path) -> None:
    content = json.loads((folder / "manifest.json").read_text())
    content["shards"][0]["num_masks"] += 1
    content["num_masks"] += 1
    (folder / "manifest.json").write_text(json.dumps(content))


FOLDERS = {
    "manifest-missing": drop_manifest,
    "manifest-damaged": damage_manifest,
    "shard-missing": drop_shard,
    "shard-extra": add_shard,
    "shard-hash": change_shard,
    "shard-counts": change_counts,
}


@pytest.mark.parametrize("rule", FOLDERS)
def test_a_folder_that_is_not_its_manifests_is_told(tmp_path: Path, rule: str) -> None:
    folder = write_release(tmp_path, [2, 1])
    FOLDERS[rule](folder)
    assert list(validate_dataset(folder, num_processes=1).findings.counts) == [rule]


def test_every_rule_is_broken_by_a_test_and_documented() -> None:
    elsewhere = {"shortest-side", "duplicate-image-id"}
    assert SHARDS.keys() | FOLDERS.keys() | elsewhere == RULES.keys()
    page = (Path(__file__).parents[4] / "docs/dataset.md").read_text()
    assert dict(re.findall(r"^\| `([a-z-]+)` \| ([^|]*) \|$", page, re.MULTILINE)) == RULES


def test_many_problems_are_counted_and_some_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_shards(tmp_path, [9])
    words = ["dataset", "validate", str(tmp_path), "--shortest-side", "40", "--processes", "1"]
    assert main([*words, "--no-manifest"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("shortest-side (9): an image's shortest side")
    assert lines[1] == "  sa_000000.tar: sa_1.jpg: got 48 pixels, not 40 at most"
    assert lines[6] == "  and 4 more"
    assert lines[-1].endswith("1 shards, 9 images, 18 masks, 9 problems")
    assert main([*words, "--json"]) == 1
    found = json.loads(capsys.readouterr().out)["problems"]
    assert {rule: one["count"] for rule, one in found.items()} == {
        "shortest-side": 9,
        "manifest-missing": 1,
    }
    assert len(found["shortest-side"]["examples"]) == 5


def test_nothing_to_check_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="must be shards"):
        validate_dataset(tmp_path, NO_MANIFEST)
