from pathlib import Path

import fsspec
import pytest

from anymask.core.errors import DownloadError, InvalidInputError
from anymask.engine.automatic.sources import find_sources, open_source, state_of


def test_files_folders_and_lists_are_found(tmp_path: Path) -> None:
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    for path in (tmp_path / "a" / "1.jpg", below / "2.PNG", tmp_path / "3.webp"):
        path.touch()
    names = tmp_path / "list.txt"
    names.write_text("3.webp\n\n  s3://bucket/4.jpg\n/abs/5.jpg\n")
    assert list(find_sources([tmp_path / "a", tmp_path / "3.webp", names])) == [
        str(tmp_path / "a" / "1.jpg"),
        str(below / "2.PNG"),
        str(tmp_path / "3.webp"),
        str(tmp_path / "3.webp"),
        "s3://bucket/4.jpg",
        "/abs/5.jpg",
    ]


def test_a_list_at_a_url_names_its_neighbours() -> None:
    files = fsspec.filesystem("memory")
    files.pipe("/photos/list.txt", b"a.jpg\n")
    files.pipe("/photos/a.jpg", b"pixels")
    (source,) = find_sources(["memory://photos/list.txt"])
    assert source == "memory://photos/a.jpg"
    with open_source(source) as stream:
        assert stream.read() == b"pixels"
    assert state_of(source) == source


def test_a_missing_folder_or_list_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="existing folder"):
        list(find_sources([tmp_path / "none"]))
    with pytest.raises(DownloadError, match=r"none.txt could not be read"):
        list(find_sources([tmp_path / "none.txt"]))


def test_the_state_of_a_file_changes_with_it(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    states = [state_of(str(path))]
    for content in (b"1", b"22"):
        path.write_bytes(content)
        states.append(state_of(str(path)))
    assert len(set(states)) == 3
