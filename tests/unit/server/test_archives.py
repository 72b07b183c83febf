"""What archives may not do, whatever their headers say."""

import io
import stat
import struct
import warnings
import zipfile
from pathlib import Path

import pytest

from anymask.core.errors import InvalidInputError
from anymask.dataset.formats.written import WrittenFile
from anymask.server import archives
from anymask.server.archives import UnpackLimits, is_zip, unpack, zip_pieces

LIMITS = UnpackLimits(max_files=20, max_file_bytes=50_000_000, max_bytes=100_000_000)


def write_zip(path: Path, files: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "deep" / "files"
    folder.mkdir(parents=True)
    return folder


@pytest.mark.parametrize(
    "name",
    [
        "../slip.txt",
        "a/../../slip.txt",
        "/tmp/slip.txt",
        "..\\slip.txt",
        "C:\\slip.txt",
        "C:slip.txt",
        "a/..",
        "bell\x07.txt",
        "line\nbreak.txt",
        "x" * 300,
        "a/" * 40 + "deep.txt",
    ],
)
def test_names_cannot_leave_the_folder(tmp_path: Path, folder: Path, name: str) -> None:
    archive = write_zip(tmp_path / "a.zip", {name: b"evil", "good.txt": b"good"})
    (problem,) = unpack(archive, folder, LIMITS)
    assert "plain path" in problem.text
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert sorted(path.name for path in files) == ["a.zip", "good.txt"]


def test_links_and_devices_are_left_out(tmp_path: Path, folder: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, kind in (("link", stat.S_IFLNK), ("pipe", stat.S_IFIFO)):
            info = zipfile.ZipInfo(name)
            info.external_attr = (kind | 0o777) << 16
            archive.writestr(info, "/etc/passwd")
        archive.writestr("link/through.txt", "evil")
    problems = unpack(path, folder, LIMITS)
    assert [problem.file for problem in problems] == ["link", "pipe"]
    assert (folder / "link" / "through.txt").is_file()  # in a folder of our own
    assert not any(found.is_symlink() for found in folder.rglob("*"))


def test_a_file_that_is_packed_too_well_is_left_out(tmp_path: Path, folder: Path) -> None:
    zeros = {"bomb.json": bytes(30_000_000), "small.json": bytes(1000)}
    archive = write_zip(tmp_path / "a.zip", zeros, zipfile.ZIP_DEFLATED)
    (problem,) = unpack(archive, folder, LIMITS)
    assert (problem.file, "packed too well" in problem.text) == ("bomb.json", True)
    assert [path.name for path in folder.iterdir()] == ["small.json"]


def test_archives_in_archives_are_not_opened(tmp_path: Path, folder: Path) -> None:
    inner = write_zip(tmp_path / "inner.zip", {"inside.txt": b"x"})
    archive = write_zip(tmp_path / "a.zip", {"inner.zip": inner.read_bytes()})
    assert unpack(archive, folder, LIMITS) == []
    assert [path.name for path in folder.iterdir()] == ["inner.zip"]


def test_too_much_in_all_is_given_up(tmp_path: Path, folder: Path) -> None:
    many = write_zip(tmp_path / "many.zip", {f"{i}.txt": b"" for i in range(30)})
    with pytest.raises(InvalidInputError, match="at most 20 files"):
        unpack(many, folder, LIMITS)
    large = write_zip(tmp_path / "large.zip", {f"b{i}.bin": bytes(600) for i in range(9)})
    few = UnpackLimits(max_files=20, max_file_bytes=1000, max_bytes=3000)
    with pytest.raises(InvalidInputError, match="at most 3000 bytes"):
        unpack(large, folder, few)
    assert sum(path.stat().st_size for path in folder.iterdir()) <= 4000


def test_sizes_in_headers_are_not_believed(tmp_path: Path, folder: Path) -> None:
    data = bytearray(write_zip(tmp_path / "a.zip", {"a.txt": bytes(5000)}).read_bytes())
    place = data.rfind(b"PK\x01\x02")
    data[place + 24 : place + 28] = struct.pack("<L", 10)  # says: ten bytes
    (tmp_path / "a.zip").write_bytes(data)
    small = UnpackLimits(max_files=20, max_file_bytes=1000, max_bytes=10_000)
    unpack(tmp_path / "a.zip", folder, small)
    assert all(path.stat().st_size <= 1000 for path in folder.iterdir())


def test_a_list_that_would_fill_the_memory_is_not_read(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "_MAX_LIST_BYTES", 1000)
    archive = write_zip(tmp_path / "a.zip", {f"{i}.txt": b"" for i in range(40)})
    monkeypatch.setattr(zipfile, "ZipFile", None)  # nothing opens it
    with pytest.raises(InvalidInputError, match="too long a list"):
        unpack(archive, folder, LIMITS)


@pytest.mark.parametrize("keep", [0, 3, 10, -5], ids=["empty", "sign", "head", "no end"])
def test_what_is_cut_off_is_told(tmp_path: Path, folder: Path, keep: int) -> None:
    archive = write_zip(tmp_path / "a.zip", {"a.txt": b"text"})
    archive.write_bytes(archive.read_bytes()[:keep])
    with pytest.raises(InvalidInputError, match="whole ZIP"):
        unpack(archive, folder, LIMITS)


def test_damaged_encrypted_and_repeated_files_are_left_out(tmp_path: Path, folder: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive, warnings.catch_warnings(action="ignore"):
        for name in ("damaged", "locked", "twice", "twice", "file", "file/below"):
            archive.writestr(name, name * 9)
    data = bytearray(path.read_bytes())
    data[data.find(b"damageddamaged")] ^= 255
    central = data.find(b"PK\x01\x02", data.find(b"PK\x01\x02") + 1)  # of "locked"
    data[central + 8] |= 1
    path.write_bytes(data)
    problems = unpack(path, folder, LIMITS)
    assert [problem.file for problem in problems] == ["damaged", "locked", "twice", "file/below"]
    assert sorted(found.name for found in folder.iterdir()) == ["file", "twice"]


def test_archives_are_written_piece_by_piece() -> None:
    taken = 0

    def pieces() -> "list[bytes]":
        return [bytes([i]) * 100_000 for i in range(50)]

    files = [
        WrittenFile(path="a.json", pieces=pieces()),
        WrittenFile(path="b/c.png", pieces=[b"x"]),
    ]
    stream = io.BytesIO()
    for piece in zip_pieces(files):
        taken = max(taken, len(piece))
        stream.write(piece)
    assert taken < 1_000_000
    with zipfile.ZipFile(stream) as archive:
        assert archive.testzip() is None
        assert archive.read("a.json") == b"".join(pieces())
        assert archive.read("b/c.png") == b"x"


def test_archives_are_told_by_their_first_bytes(tmp_path: Path) -> None:
    assert is_zip(write_zip(tmp_path / "a.json", {"a": b""}))
    (tmp_path / "b.zip").write_bytes(b"{}")
    assert not is_zip(tmp_path / "b.zip")
