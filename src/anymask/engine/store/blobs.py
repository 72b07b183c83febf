"""Files by name, whole or absent: images under their digests, embeddings under image and model."""

import os
import re
from pathlib import Path
from typing import Protocol

from anymask.core.errors import InvalidInputError, MissingExtraError, NotFoundError
from anymask.core.files import write_bytes

# Names are made by us; that none can leave the folder does not rest on it.
_NAME = re.compile(r"[a-z]+(/[0-9a-z]+)+(\.[a-z]+)?")


class Blobs(Protocol):
    """A place for files."""

    def write(self, name: str, data: bytes) -> None:
        """Keep the bytes under that name; a file of that name is replaced."""

    def read(self, name: str) -> bytes:
        """Return the bytes; NotFoundError if there is no such file."""

    def remove(self, name: str) -> bool:
        """Remove the file of that name, return whether there was one."""

    def place(self, name: str) -> str:
        """Return the path or URL of the file of that name, there or not."""

    def __contains__(self, name: str) -> bool:
        """Whether there is such a file."""


class FolderBlobs:
    """Files in a folder of this machine."""

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self._folder = Path(folder)

    def write(self, name: str, data: bytes) -> None:
        """Keep the bytes; OutputError says why that fails."""
        path = self._path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, data)

    def read(self, name: str) -> bytes:
        """Return the bytes; NotFoundError if there is no such file."""
        try:
            return self._path(name).read_bytes()
        except FileNotFoundError:
            raise _absent(name) from None

    def remove(self, name: str) -> bool:
        """Remove the file of that name, return whether there was one."""
        try:
            self._path(name).unlink()
        except FileNotFoundError:
            return False
        return True

    def place(self, name: str) -> str:
        """Return the file's absolute path."""
        return str(self._path(name).absolute())

    def __contains__(self, name: str) -> bool:
        return self._path(name).is_file()

    def _path(self, name: str) -> Path:
        return self._folder / _checked(name)


class RemoteBlobs:
    """Files at any URL that fsspec knows, such as s3://bucket/folder."""

    def __init__(self, url: str) -> None:
        try:
            import fsspec
        except ImportError:
            raise MissingExtraError("fsspec", "stream") from None
        self._files, self._root = fsspec.core.url_to_fs(url)

    def write(self, name: str, data: bytes) -> None:
        """Keep the bytes; object stores show a file only once it is whole."""
        path = self._path(name)
        self._files.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
        self._files.pipe_file(path, data)

    def read(self, name: str) -> bytes:
        """Return the bytes; NotFoundError if there is no such file."""
        try:
            data: bytes = self._files.cat_file(self._path(name))
        except FileNotFoundError:
            raise _absent(name) from None
        return data

    def remove(self, name: str) -> bool:
        """Remove the file of that name, return whether there was one."""
        is_there = name in self
        if is_there:
            self._files.rm_file(self._path(name))
        return is_there

    def place(self, name: str) -> str:
        """Return the file's URL."""
        url: str = self._files.unstrip_protocol(self._path(name))
        return url

    def __contains__(self, name: str) -> bool:
        return bool(self._files.exists(self._path(name)))

    def _path(self, name: str) -> str:
        return f"{self._root}/{_checked(name)}"


def open_blobs(place: str) -> Blobs:
    """Return the files in a folder, or at a URL; MissingExtraError if fsspec is not installed."""
    return RemoteBlobs(place) if "://" in place else FolderBlobs(place)


def image_blob(digest: str) -> str:
    """Return the name of an image's file."""
    return f"images/{digest[:2]}/{digest}"


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise InvalidInputError(f"blob name must be like images/ab/abcd, got {name!r}.")
    return name


def _absent(name: str) -> NotFoundError:
    return NotFoundError(f"{name} must be there, got no such file. Was the data folder moved?")
