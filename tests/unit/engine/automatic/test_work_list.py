import hashlib
import os
import shutil
from pathlib import Path

import pytest

from anymask.core.errors import InvalidInputError
from anymask.engine.automatic import work_list
from anymask.engine.automatic.work_list import open_work_list


def write(folder: Path, **contents: bytes) -> Path:
    folder.mkdir(exist_ok=True)
    for name, content in contents.items():
        (folder / f"{name}.jpg").write_bytes(content)
    return folder


def test_ranks_follow_the_hashes(tmp_path: Path) -> None:
    folder = write(tmp_path / "photos", a=b"1", b=b"2", c=b"3", d=b"2")
    photos = open_work_list([folder], tmp_path)
    ((number, shard),) = photos.shards(10)
    digests = sorted(hashlib.sha256(content).hexdigest() for content in (b"1", b"2", b"3"))
    assert number == 0
    assert [photo.digest for photo in shard] == digests
    assert [photo.image_id for photo in shard] == [1, 2, 3]
    assert {Path(photo.source).stem for photo in shard} == {"a", "b", "c"}
    assert (photos.num_photos, photos.num_duplicates) == (3, 1)


def test_shards_are_consecutive_and_full_but_for_the_last(tmp_path: Path) -> None:
    folder = write(tmp_path / "photos", **{f"p{i}": bytes([i]) for i in range(7)})
    shards = list(open_work_list([folder], tmp_path).shards(3))
    assert [(number, len(part)) for number, part in shards] == [(0, 3), (1, 3), (2, 1)]
    ids = [photo.image_id for _, part in shards for photo in part]
    assert ids == list(range(1, 8))


def test_a_kept_list_saves_reading_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write(tmp_path / "photos", a=b"1", b=b"2")
    made = open_work_list([folder], tmp_path)
    monkeypatch.setattr(work_list, "open_source", None)
    assert open_work_list([folder / "b.jpg", folder / "a.jpg"], tmp_path) == made


def test_files_elsewhere_or_newer_with_the_same_content_are_the_same_photos(
    tmp_path: Path,
) -> None:
    folder = write(tmp_path / "photos", a=b"1", b=b"2")
    made = open_work_list([folder], tmp_path)
    os.utime(folder / "a.jpg", ns=(1, 1))
    assert open_work_list([folder], tmp_path).content == made.content
    moved = shutil.move(folder, tmp_path / "moved")
    again = open_work_list([moved], tmp_path)
    assert all("moved" in photo.source for _, part in again.shards(9) for photo in part)


def test_other_photos_are_refused_and_the_list_stays(tmp_path: Path) -> None:
    folder = write(tmp_path / "photos", a=b"1", b=b"2")
    made = open_work_list([folder], tmp_path)
    write(folder, c=b"3")
    with pytest.raises(InvalidInputError, match=r"got others \(3 instead of 2\)"):
        open_work_list([folder], tmp_path)
    (folder / "c.jpg").unlink()
    assert open_work_list([folder], tmp_path) == made
    assert not list(tmp_path.glob("*.parts"))


def test_a_file_that_cannot_be_opened_is_listed_with_its_reason(tmp_path: Path) -> None:
    folder = write(tmp_path / "photos", a=b"1")
    photos = open_work_list([folder, folder / "missing.jpg"], tmp_path)
    assert photos.num_photos == 1
    assert photos.num_duplicates == 0
    assert photos.unreadable == ((str(folder / "missing.jpg"), "No such file or directory"),)


def test_names_of_any_bytes_survive(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    name = "a\tb\nü" + os.fsdecode(b"\xff") + ".jpg"
    (folder / name).write_bytes(b"1")
    ((_, (photo,)),) = open_work_list([folder], tmp_path).shards(1)
    assert Path(photo.source).read_bytes() == b"1"


def test_no_photos_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="photos must be named, got none"):
        open_work_list([], tmp_path)
