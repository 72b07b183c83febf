"""Where photos come from: files, folders to the bottom, lists, and URLs."""

import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, cast

from anymask.dataset.archive_file import ArchiveFile, is_url, open_archive
from anymask.dataset.photo_folder import PHOTO_SUFFIXES, find_photos

_LIST_SUFFIX = ".txt"


def find_sources(names: Iterable[str | Path]) -> Iterator[str]:
    """Yield the absolute paths and URLs that these names stand for; none is opened.

    Args:
        names: photos, folders (searched to the bottom), URLs of photos, and .txt files, also at
            URLs, with a path or URL a line; relative ones begin at the list's own folder.

    Raises:
        InvalidInputError: a folder is missing or has no photo.
        DownloadError: a list cannot be read.
    """
    for name in map(str, names):
        if name.endswith(_LIST_SUFFIX):
            yield from _listed(name)
        elif is_url(name):
            yield name
        elif Path(name).suffix.lower() in PHOTO_SUFFIXES and not Path(name).is_dir():
            yield str(Path(name).absolute())
        else:
            yield from (str(photo.path.absolute()) for photo in find_photos([name]))


def open_source(source: str) -> BinaryIO:
    """Open a photo's file; an OSError says why not."""
    if is_url(source):
        return cast(BinaryIO, ArchiveFile(source))
    return Path(source).open("rb")


def state_of(source: str) -> str:
    """Return a line that changes when the file does: its name, and of a path size and time."""
    if is_url(source):
        return source
    try:
        status = Path(source).stat()
    except OSError:
        return f"{source} is missing"
    return f"{source} {status.st_size} {status.st_mtime_ns}"


def _listed(name: str) -> Iterator[str]:
    folder = name.rpartition("/")[0] if is_url(name) else str(Path(name).absolute().parent)
    retries = {} if is_url(name) else {"retry_seconds": ()}
    with open_archive(name, **retries) as (stream, _):
        for raw in io.BufferedReader(cast(io.RawIOBase, stream)):
            line = raw.decode("utf-8", "surrogateescape").strip()
            if line:
                yield line if is_url(line) or Path(line).is_absolute() else f"{folder}/{line}"
