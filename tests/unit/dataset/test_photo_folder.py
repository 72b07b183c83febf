from pathlib import Path

import pytest

from anymask.core.errors import InvalidInputError
from anymask.dataset.photo_folder import find_photos


def _touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"")
    return path


def test_images_are_found_to_the_bottom_sorted_and_nothing_else(tmp_path: Path) -> None:
    for name in ("b.JPG", "a/z.png", "a/deep/er/x.webp", "notes.txt", "masks.json.gz"):
        _touch(tmp_path / name)
    _touch(tmp_path / ".cache" / "hidden.jpg")
    _touch(tmp_path / "._b.jpg")
    photos = find_photos([tmp_path])
    assert [photo.name for photo in photos] == ["a/deep/er/x.webp", "a/z.png", "b.JPG"]
    assert [photo.path for photo in photos] == [tmp_path / photo.name for photo in photos]


def test_a_file_reached_twice_counts_once_and_circles_end(tmp_path: Path) -> None:
    _touch(tmp_path / "one" / "a.jpg")
    _touch(tmp_path / "two" / "b.jpg")
    (tmp_path / "one" / "up").symlink_to(tmp_path)
    (tmp_path / "two" / "same.jpg").symlink_to(tmp_path / "one" / "a.jpg")
    photos = find_photos([tmp_path / "one", tmp_path])
    assert sorted(photo.path.name for photo in photos) == ["a.jpg", "b.jpg"]


def test_linked_folders_are_searched(tmp_path: Path) -> None:
    _touch(tmp_path / "store" / "a.jpg")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "link").symlink_to(tmp_path / "store")
    assert [photo.name for photo in find_photos([tmp_path / "data"])] == ["link/a.jpg"]


def test_missing_and_empty_folders_say_so(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"must be an existing folder, got .*nowhere"):
        find_photos([tmp_path / "nowhere"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidInputError, match=r"must hold images \(.*\.jpg.*got none in .*empty"):
        find_photos([tmp_path / "empty"])
