import hashlib
import json
import tarfile
from pathlib import Path

import pytest

from anymask.core.errors import InvalidInputError
from anymask.core.records import mask_id, place_of_mask
from anymask.dataset.manifest import read_manifest, summarize_shard, write_manifest
from anymask.dataset.recorded import iter_dataset
from anymask.dataset.shard_writing import write_shard
from released_shards import released, write_release


def test_a_shard_has_the_released_layout_and_nothing_by_chance(tmp_path: Path) -> None:
    path = tmp_path / "sa_000000.tar"
    summary = write_shard(path, [released(3), released(7)])
    with tarfile.open(path, "r:") as archive:
        members = archive.getmembers()
    assert [m.name for m in members] == ["./sa_3.jpg", "./sa_3.json", "./sa_7.jpg", "./sa_7.json"]
    assert {(m.mtime, m.uid, m.gid, m.uname, m.gname, m.mode) for m in members} == {
        (0, 0, 0, "", "", 0o644)
    }
    assert summary.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert summary == summarize_shard(path)
    assert (summary.num_images, summary.num_masks) == (2, 4)
    write_shard(tmp_path / "again.tar", iter([released(3), released(7)]))
    assert (tmp_path / "again.tar").read_bytes() == path.read_bytes()


def test_boxes_are_exact_or_as_released(tmp_path: Path) -> None:
    exact, short = (
        [
            m.bbox
            for *_, masks in iter_dataset(
                write_release(tmp_path / str(flag), [1], released_bbox=flag)
            )
            for m in masks
        ]
        for flag in (False, True)
    )
    assert exact != short
    assert short == [(x, y, width - 1, height - 1) for x, y, width, height in exact]


def test_ids_are_a_function_of_image_and_place(tmp_path: Path) -> None:
    write_shard(tmp_path / "a.tar", [released(3), released(7)])
    ids = [mask.id for *_, masks in iter_dataset(tmp_path / "a.tar") for mask in masks]
    assert ids == [mask_id(image, place) for image in (3, 7) for place in (0, 1)]
    assert [place_of_mask(number) for number in ids] == [(3, 0), (3, 1), (7, 0), (7, 1)]
    assert len(set(ids)) == 4


def test_images_out_of_order_leave_nothing_behind(tmp_path: Path) -> None:
    for images in ([released(3), released(3)], [released(7), released(3)]):
        with pytest.raises(InvalidInputError, match="ascending image_id"):
            write_shard(tmp_path / "a.tar", images)
    assert not list(tmp_path.iterdir())


def test_the_manifest_tells_of_all_shards(tmp_path: Path) -> None:
    folder = write_release(tmp_path / "set", [2, 1])
    manifest = read_manifest(folder)
    assert [shard.name for shard in manifest.shards] == ["sa_000000.tar", "sa_000001.tar"]
    assert (manifest.num_images, manifest.num_masks) == (3, 6)
    known = write_shard(folder / "sa_000000.tar", [released(1), released(2)])
    before = (folder / "manifest.json").read_bytes()
    assert write_manifest(folder, [known]).read_bytes() == before


def test_a_manifest_of_damaged_shards_is_not_written(tmp_path: Path) -> None:
    folder = write_release(tmp_path / "set", [2])
    path = folder / "sa_000000.tar"
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(InvalidInputError, match="must be whole"):
        write_manifest(folder)
    with pytest.raises(InvalidInputError, match="must hold shards"):
        write_manifest(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"version": 2},
        {"num_masks": 5},
        {"shards": [{"name": "a"}]},
        {"shards": [{"name": 1, "num_bytes": 1, "sha256": "", "num_images": 1, "num_masks": 1}]},
        {"more": 1},
    ],
)
def test_a_damaged_manifest_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    folder = write_release(tmp_path / "set", [1])
    path = folder / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(InvalidInputError, match=r"manifest\.json must be a manifest"):
        read_manifest(folder)
