"""A file is read whole through broken connections and servers that cannot seek."""

import gzip
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from anymask.core.errors import DownloadError, InvalidInputError
from anymask.dataset.archive_file import ArchiveFile, open_archive
from flaky_files import FlakyFiles

CONTENT = bytes(range(256)) * 40


@pytest.fixture(autouse=True)
def _flaky() -> Iterator[None]:
    fsspec.register_implementation("flaky", FlakyFiles, clobber=True)
    FlakyFiles.breaks_after, FlakyFiles.can_seek, FlakyFiles.num_read = None, True, 0
    with fsspec.open("flaky://a/file.tar", "wb") as file:
        file.write(CONTENT)
    yield
    FlakyFiles.store.clear()


@pytest.mark.parametrize("can_seek", [True, False])
def test_it_reads_anywhere_on_disk_and_behind_urls(tmp_path: Path, can_seek: bool) -> None:
    FlakyFiles.can_seek = can_seek
    (tmp_path / "file.tar").write_bytes(CONTENT)
    for url in (str(tmp_path / "file.tar"), "flaky://a/file.tar"):
        with ArchiveFile(url) as file:
            assert file.read(5) == CONTENT[:5]
            for offset in (100, 7, 9000, 0):
                file.seek(offset)
                assert file.tell() == offset
                assert file.read(300) == CONTENT[offset : offset + 300]
            file.seek(10_000)
            assert file.read() == CONTENT[10_000:]
            assert file.read(1) == b""


@pytest.mark.parametrize("can_seek", [True, False])
def test_a_broken_connection_is_taken_up_where_it_broke(can_seek: bool) -> None:
    FlakyFiles.breaks_after, FlakyFiles.can_seek = 3, can_seek
    with ArchiveFile("flaky://a/file.tar", retry_seconds=(0, 0, 0, 0)) as file:
        parts = [file.read(1000) for _ in range(11)]
    assert b"".join(parts) == CONTENT
    assert FlakyFiles.num_read > 11


def test_after_all_retries_one_line_says_what_is_wrong(tmp_path: Path) -> None:
    FlakyFiles.breaks_after = 1
    with (
        ArchiveFile("flaky://a/file.tar", retry_seconds=(0, 0)) as file,
        pytest.raises(
            DownloadError, match=r"flaky://a/file\.tar could not be read, 3 times: the c"
        ),
    ):
        file.read(1)
    assert FlakyFiles.num_read == 3
    with (
        ArchiveFile(str(tmp_path / "gone.tar"), retry_seconds=(0,)) as file,
        pytest.raises(DownloadError, match=r"gone\.tar could not be read, 2 times") as caught,
    ):
        file.read(1)
    assert "\n" not in str(caught.value)


def test_a_kind_of_url_that_cannot_be_opened_is_told_at_once() -> None:
    with (
        ArchiveFile("nonsense://a/b.tar", retry_seconds=(60,)) as file,
        pytest.raises(InvalidInputError, match=r"nonsense://a/b\.tar must be of a kind"),
    ):
        file.read(1)


def test_gzip_is_known_by_its_content(tmp_path: Path) -> None:
    for name, raw, reads_on in (("a.tar", CONTENT, False), ("b.tar", gzip.compress(CONTENT), True)):
        (tmp_path / name).write_bytes(raw)
        with open_archive(str(tmp_path / name)) as (stream, says):
            assert says == reads_on
            stream.seek(500)
            assert stream.read(100) == CONTENT[500:600]
            stream.seek(3)
            assert stream.read() == CONTENT[3:]
