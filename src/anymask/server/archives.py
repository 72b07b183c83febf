"""ZIP archives: strangers' are unpacked under limits, ours are written as streams."""

import io
import re
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from anymask.core.errors import InvalidInputError
from anymask.dataset.formats.problems import Problem
from anymask.dataset.formats.written import WrittenFile

_PIECE_BYTES = 1 << 20
_MAX_PARTS = 32
_MAX_PART_BYTES = 255
_DRIVE = re.compile(r"[A-Za-z]:")
# Below this a file may be as well packed as it likes: a page of zeros is no bomb.
_FREE_BYTES = 10_000_000
_MAX_RATIO = 200
# The list of files is held in memory, some 100 bytes each.
_MAX_LIST_BYTES = 50_000_000
_END, _END_SIZE = b"PK\x05\x06", 22
_LONG_END, _LONG_END_SIZE, _LOCATOR, _LOCATOR_SIZE = b"PK\x06\x06", 56, b"PK\x06\x07", 20
# What packing programs put in by themselves.
_NOISE = ("__MACOSX/", ".DS_Store", "Thumbs.db")


@dataclass(frozen=True, kw_only=True)
class UnpackLimits:
    """What an archive may hold: files, bytes of one and of all of them once unpacked."""

    max_files: int
    max_file_bytes: int
    max_bytes: int


def is_zip(path: Path) -> bool:
    """Whether the file begins as a ZIP archive does."""
    with path.open("rb") as stream:
        return stream.read(4) in (b"PK\x03\x04", _END)


def unpack(path: Path, folder: Path, limits: UnpackLimits) -> list[Problem]:
    """Unpack an archive into an empty folder; return the files that were left out, and why.

    Left out are: names that would leave the folder or that systems do not take, links and devices,
    files that are encrypted, damaged, too large, or packed suspiciously well. Archives in the
    archive are files like any other: they are not opened.

    Raises:
        InvalidInputError: not an archive, or it holds too many files or bytes in all. What was
            unpacked before that was seen is still there.
        OSError: the disk is full.
    """
    _check_list_size(path)
    problems = []
    left_bytes, num_files = limits.max_bytes, 0
    try:
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                if info.is_dir() or any(noise in info.filename for noise in _NOISE):
                    continue
                num_files += 1
                if num_files > limits.max_files:
                    raise InvalidInputError(
                        f"archive must hold at most {limits.max_files} files, got more. Split it."
                    )
                try:
                    left_bytes -= _unpack_one(archive, info, folder, limits, left_bytes)
                except _EntryError as error:
                    name = "".join(char for char in info.filename if char.isprintable())
                    problems.append(Problem(file=name[:300], text=str(error)))
    except (zipfile.BadZipFile, NotImplementedError, ValueError) as error:
        if isinstance(error, InvalidInputError):
            raise
        raise InvalidInputError(
            f"archive must be a whole ZIP, got: {error}. Pack it again."
        ) from None
    return problems


def zip_pieces(files: Iterable[WrittenFile]) -> Iterator[bytes]:
    """Yield a ZIP archive of the files piece by piece; no more than one piece is in memory.

    Pictures, which are packed already, are stored as they are.
    """
    sink = _Sink()
    with zipfile.ZipFile(sink, "w") as archive:
        for file in files:
            info = zipfile.ZipInfo(file.path)
            is_text = file.path.endswith((".json", ".txt", ".xml", ".yaml"))
            info.compress_type = zipfile.ZIP_DEFLATED if is_text else zipfile.ZIP_STORED
            # How long a stream gets is not known when it begins.
            with archive.open(info, "w", force_zip64=True) as entry:
                for piece in file.pieces:
                    entry.write(piece)
                    yield sink.take()
    yield sink.take()


class _EntryError(Exception):
    """A file of an archive that is left out; the text says why."""


class _Sink(io.RawIOBase):
    """A file that cannot go back, and whose new content is taken out again and again."""

    def __init__(self) -> None:
        self._written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self._written += data
        return len(data)

    def take(self) -> bytes:
        taken = bytes(self._written)
        self._written.clear()
        return taken


def _check_list_size(path: Path) -> None:
    """Refuse a list of files that would fill the memory when the archive is opened."""
    with path.open("rb") as stream:
        size = stream.seek(0, io.SEEK_END)
        stream.seek(max(0, size - _END_SIZE - (1 << 16) - _LOCATOR_SIZE - _LONG_END_SIZE))
        tail = stream.read()
    end = tail.rfind(_END)
    if end < 0 or len(tail) < end + _END_SIZE:
        raise InvalidInputError("archive must be a whole ZIP, got one cut off. Pack it again.")
    (list_bytes,) = struct.unpack_from("<L", tail, end + 12)
    long_end = end - _LOCATOR_SIZE - _LONG_END_SIZE
    if tail[end - _LOCATOR_SIZE : end].startswith(_LOCATOR) and long_end >= 0:
        (list_bytes,) = struct.unpack_from("<Q", tail, long_end + 40)
    if list_bytes > _MAX_LIST_BYTES:
        raise InvalidInputError("archive must hold fewer files, got too long a list. Split it.")


def _unpack_one(
    archive: zipfile.ZipFile,
    info: zipfile.ZipInfo,
    folder: Path,
    limits: UnpackLimits,
    left_bytes: int,
) -> int:
    """Unpack one file, return its bytes; what its header says of them is not believed."""
    target = folder.joinpath(*_safe_parts(info))
    num_bytes = 0
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with archive.open(info) as source, target.open("xb") as stream:
            while piece := source.read(_PIECE_BYTES):
                num_bytes += len(piece)
                if num_bytes > left_bytes:
                    raise InvalidInputError(
                        f"archive must hold at most {limits.max_bytes} bytes unpacked, got more. "
                        "Split it."
                    )
                if num_bytes > max(_FREE_BYTES, _MAX_RATIO * info.compress_size):
                    raise _EntryError("file is packed too well to be annotations or a picture.")
                if num_bytes > limits.max_file_bytes:
                    raise _EntryError(
                        f"file must have at most {limits.max_file_bytes} bytes, got more."
                    )
                stream.write(piece)
    except _EntryError:
        target.unlink()
        raise
    except (FileExistsError, NotADirectoryError, IsADirectoryError):
        raise _EntryError("name must be there once, got a second file or folder of it.") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        target.unlink(missing_ok=True)
        raise _EntryError(f"file must be whole and not encrypted, got: {error}.") from None
    return num_bytes


def _safe_parts(info: zipfile.ZipInfo) -> list[str]:
    """The folders and the name of a file, none of which leads anywhere else."""
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind not in (0, stat.S_IFREG):
        raise _EntryError("file must be an ordinary file, got a link or the like.")
    name = info.filename.replace("\\", "/")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    is_safe = (
        not name.startswith("/")
        and not _DRIVE.match(name)
        and ".." not in parts
        and name.isprintable()
        and 0 < len(parts) <= _MAX_PARTS
        and all(len(part.encode()) <= _MAX_PART_BYTES for part in parts)
    )
    if not is_safe:
        raise _EntryError("name must be a plain path below the archive. Rename it.")
    return parts


def has_room(folder: Path, num_bytes: int) -> bool:
    """Whether the folder's disk has so many bytes, and as many again for unpacking."""
    return shutil.disk_usage(folder).free > 2 * num_bytes
