"""An archive on disk or behind a URL as one file to read; a broken connection is taken up again."""

import gzip
import io
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, cast

from anymask.core.errors import DownloadError, InvalidInputError

RETRY_SECONDS = (1.0, 4.0, 15.0, 60.0)
_CHUNK_BYTES = 1 << 20
_GZIP_MAGIC = b"\x1f\x8b"


class ArchiveFile(io.RawIOBase):
    """A binary file at a path or at any URL that fsspec knows, as plain bytes.

    Where the place cannot seek (a web server without ranges), going forward reads, and going back
    begins again: right, if slow.

    Args:
        url: a path, or "s3://...", "https://...", ...
        retry_seconds: after an error the file is opened again after so many seconds each.

    Raises:
        DownloadError: on any access, the file could not be read after all retries.
        InvalidInputError: no software for such URLs is installed.
    """

    def __init__(self, url: str, *, retry_seconds: Sequence[float] = RETRY_SECONDS) -> None:
        super().__init__()
        self.name = url
        self._retry_seconds = tuple(retry_seconds)
        self._position = 0
        self._file: Any = None
        self._file_position = 0

    def readable(self) -> bool:  # noqa: D102
        return True

    def seekable(self) -> bool:  # noqa: D102
        return True

    def tell(self) -> int:
        """Bytes from the start."""
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Moves to that many bytes from the start, or from here; nothing is read yet."""
        if whence == os.SEEK_END:
            raise io.UnsupportedOperation("an archive's end is not known before it is read")
        self._position = offset + (self._position if whence == os.SEEK_CUR else 0)
        return self._position

    def read(self, size: int = -1) -> bytes:
        """So many bytes, fewer only at the end of the file."""
        parts: list[bytes] = []
        left = size if size >= 0 else None
        while left is None or left > 0:
            wanted = _CHUNK_BYTES if left is None else left
            part = self._read_persistently(wanted)
            if not part:
                break
            self._position += len(part)
            parts.append(part)
            left = None if left is None else left - len(part)
        return b"".join(parts)

    def readinto(self, buffer: Any) -> int:
        """Fills the buffer; fewer bytes only at the end of the file."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        """Lets go of the file."""
        self._drop()
        super().close()

    def _read_once(self, size: int) -> bytes:
        if self._file is None:
            self._file, self._file_position = _open(self.name), 0
        if self._file_position != self._position:
            self._move()
        data: bytes = self._file.read(size)
        self._file_position += len(data)
        return data

    def _move(self) -> None:
        try:
            self._file.seek(self._position)
        except (OSError, ValueError):  # it cannot: some say so only here
            if self._position < self._file_position:
                self._drop()
                self._file, self._file_position = _open(self.name), 0
            _pass_over(self._file, self._position - self._file_position)
        self._file_position = self._position

    def _read_persistently(self, size: int) -> bytes:
        for delay in (*self._retry_seconds, None):
            try:
                return self._read_once(size)
            except (ImportError, InvalidInputError):
                raise
            except Exception as error:
                # Each file system has errors of its own; what they mean is the same.
                self._drop()
                if delay is None:
                    reason = str(error) or type(error).__name__
                    raise DownloadError(
                        f"{self.name} could not be read, {len(self._retry_seconds) + 1} times: "
                        f"{reason}. Check the name and the connection and start again."
                    ) from error
                time.sleep(delay)
        raise AssertionError("unreachable")

    def _drop(self) -> None:
        if self._file is not None:
            file, self._file = self._file, None
            with suppress(Exception):  # a connection that is broken anyway
                file.close()


def is_url(source: str) -> bool:
    """Whether the text is a URL rather than a path."""
    return "://" in source


@contextmanager
def open_archive(
    url: str, *, retry_seconds: Sequence[float] = RETRY_SECONDS
) -> Iterator[tuple[BinaryIO, bool]]:
    """A context with the archive's bytes, unpacked if they are gzip, and whether to read on.

    SA-1B's files are gzip although named .tar. True: going back is slow or impossible, so that all
    that may be needed should be read as it comes.

    Raises:
        DownloadError: it cannot be read after all retries.
    """
    with ArchiveFile(url, retry_seconds=retry_seconds) as raw:
        is_gzip = raw.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC
        raw.seek(0)
        if is_gzip:
            buffered = io.BufferedReader(raw, _CHUNK_BYTES)
            with gzip.GzipFile(fileobj=buffered) as unpacked:
                yield cast(BinaryIO, unpacked), True
        else:
            yield cast(BinaryIO, raw), is_url(url)


def _open(url: str) -> Any:
    if not is_url(url):
        return Path(url).open("rb", buffering=0)
    system, path = file_system(url)
    return system.open(path, "rb")


def file_system(url: str) -> tuple[Any, str]:
    """The fsspec file system of a URL, and the path in it.

    Raises:
        InvalidInputError: unknown, or its software is not installed.
    """
    import fsspec

    try:
        return fsspec.core.url_to_fs(url)  # type: ignore[no-any-return]
    except (ImportError, ValueError) as error:
        raise InvalidInputError(
            f"{url} must be of a kind that fsspec can open, got: {error}. "
            "Install what it names, or copy the files to a disk."
        ) from None


def _pass_over(file: Any, count: int) -> None:
    while count > 0:
        part = file.read(min(count, _CHUNK_BYTES))
        if not part:
            return
        count -= len(part)
