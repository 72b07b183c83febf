"""SA-1B's archives: tar files of `sa_N.jpg` and `sa_N.json`, read from front to back.

An image and its JSON are a pair by their name; side by side is quick, anywhere is right. Pairs are
numbered from 0 in the order in which they are complete. A member without its partner, or one that
is damaged, is set aside with a line that says so, and the rest is read.
"""

import gzip
import hashlib
import json
import tarfile
import zlib
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from anymask.core.errors import InvalidInputError
from anymask.core.files import write_json
from anymask.dataset.archive_file import RETRY_SECONDS, file_system, is_url, open_archive
from anymask.dataset.photo_folder import PHOTO_SUFFIXES

ARCHIVE_SUFFIXES = (".tar", ".tar.gz", ".tgz")
_LIST_SUFFIXES = (".txt", ".tsv")
# More than any photograph; a damaged header may claim anything.
MAX_MEMBER_BYTES = 1 << 29
# Members whose partner has not come; their bytes are kept so that nothing is read twice.
_MAX_WAITING = 64
_DAMAGE = (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error)


@dataclass(frozen=True, kw_only=True, eq=False)
class ShardPair:
    """An image file and its JSON, as bytes.

    Attributes:
        shard: the archive's path or URL.
        number: of the pair in the archive, from 0.
        name: of the image in the archive.
        image: the image file.
        record: the JSON file.
    """

    shard: str
    number: int
    name: str
    image: bytes
    record: bytes

    @property
    def label(self) -> str:
        """Where it is from, to be printed."""
        return f"{self.shard}:{self.name}"


@dataclass(kw_only=True, eq=False)
class _Member:
    name: str
    stem: str
    is_image: bool
    offset: int
    size: int
    data: bytes | None = None


def find_shards(source: str | Path) -> tuple[str, ...]:
    """Return the archives that a source names, sorted by path or URL; none for another source.

    Args:
        source: a folder or URL of a folder with archives; one archive; "sa_{000000..000999}.tar",
            a row of them (for web servers, whose folders cannot be listed); or a .txt or .tsv file
            with an archive a line, the name and a tab before its URL or not, as SA-1B's list is.

    Raises:
        InvalidInputError: an archive of a row or list is not on the disk, or a row is misspelt.
        DownloadError: a list cannot be read.
    """
    text = str(source)
    first, brace, rest = text.partition("{")
    if brace and ".." in rest:
        return _existing(_row(text, first, rest))
    if text.endswith(ARCHIVE_SUFFIXES):
        return _existing((text,))
    if text.endswith(_LIST_SUFFIXES):
        return _existing(_listed(text))
    if is_url(text):
        system, path = file_system(text)
        names = system.ls(path, detail=False) if system.isdir(path) else []
        found = [system.unstrip_protocol(name) for name in names]
    else:
        found = [str(path) for path in Path(text).iterdir()] if Path(text).is_dir() else []
    return tuple(sorted(name for name in found if name.endswith(ARCHIVE_SUFFIXES)))


def read_pairs(
    shard: str,
    *,
    set_aside: Callable[[str], None],
    is_wanted: Callable[[int], bool] = lambda _: True,
    select: Callable[[str], bool] = lambda _: True,
    retry_seconds: Sequence[float] = RETRY_SECONDS,
) -> Iterator[ShardPair | None]:
    """The archive's pairs in the order of their numbers; None for those that are not wanted.

    Of what is not wanted nothing but the headers is read, where the file can seek. The archive is
    read as it is asked for, one pair or (where partners are apart) a few in memory.

    Args:
        shard: path or URL.
        set_aside: told, in one line without a full stop, of what cannot be used.
        is_wanted: of a number.
        select: of an image's name without suffix; others have no number.
        retry_seconds: see `ArchiveFile`.

    Raises:
        DownloadError: the archive cannot be read after all retries.
    """
    waiting: dict[str, _Member] = {}
    held: deque[_Member] = deque()  # those of `waiting` whose bytes are here
    number = 0
    try:
        with open_archive(shard, retry_seconds=retry_seconds) as (stream, reads_on):
            for member in _members(shard, stream, set_aside):
                if not select(PurePosixPath(member.stem).name):
                    continue
                other = waiting.pop(member.stem, None)
                if other is not None and other.is_image != member.is_image:
                    if is_wanted(number):
                        yield _pair(shard, number, stream, member, other)
                    else:
                        # Looked at, so that numbers do not depend on what is wanted.
                        _read_at(stream, member.offset + member.size - 1, 1)
                        yield None
                    number += 1
                    continue
                if other is not None:
                    set_aside(f"{shard}: {other.name} is there twice")
                waiting[member.stem] = member
                if reads_on and is_wanted(number):
                    member.data = _read_at(stream, member.offset, member.size)
                    held.append(member)
                    if len(held) > _MAX_WAITING:
                        held.popleft().data = None
    except _DAMAGE as error:
        set_aside(f"{shard} is damaged or cut off after {number} images ({error})")
    for member in waiting.values():
        partner = "JSON" if member.is_image else "image"
        set_aside(f"{shard}: {member.name} has no {partner}")


class PairCounts:
    """How many pairs archives have, remembered between runs so that each is counted once.

    The number depends on how many are held out, and is forgotten when the archive changes.

    Args:
        folder: where to remember it; only in memory without one.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._known: dict[tuple[str, float], int] = {}

    def get(self, shard: str, held_out_fraction: float) -> int | None:
        """The number, where it is known of the archive as it is now."""
        key = (shard, held_out_fraction)
        if key not in self._known and self._folder is not None:
            with suppress(OSError, ValueError, KeyError, TypeError):
                content = json.loads(self._path(key).read_text())
                if content["num_bytes"] == _num_bytes(shard):
                    self._known[key] = int(content["num_pairs"])
        return self._known.get(key)

    def put(self, shard: str, held_out_fraction: float, num_pairs: int) -> None:
        """Remembers the number; a folder that cannot be written is no obstacle."""
        key = (shard, held_out_fraction)
        if self._known.get(key) == num_pairs:
            return
        self._known[key] = num_pairs
        if self._folder is not None:
            with suppress(OSError):
                self._folder.mkdir(parents=True, exist_ok=True)
                content = {"shard": shard, "num_bytes": _num_bytes(shard), "num_pairs": num_pairs}
                write_json(self._path(key), content)

    def _path(self, key: tuple[str, float]) -> Path:
        assert self._folder is not None
        return self._folder / f"{hashlib.sha256(repr(key).encode()).hexdigest()[:32]}.json"


def _num_bytes(shard: str) -> int:
    if is_url(shard):
        system, path = file_system(shard)
        return int(system.info(path).get("size") or -1)
    return Path(shard).stat().st_size


def _members(shard: str, stream: BinaryIO, set_aside: Callable[[str], None]) -> Iterator[_Member]:
    """The images and JSON files of the archive; a damaged header hides only its own member."""
    with tarfile.open(fileobj=stream, mode="r:", ignore_zeros=True) as archive:
        while (info := archive.next()) is not None:
            archive.members.clear()  # type: ignore[attr-defined]  # else all headers stay in memory
            path = PurePosixPath(info.name)
            is_image = path.suffix.lower() in PHOTO_SUFFIXES
            if not info.isfile() or path.name.startswith("."):
                continue
            if not is_image and path.suffix.lower() != ".json":
                continue
            if not 0 < info.size <= MAX_MEMBER_BYTES:
                set_aside(f"{shard}: {path} has {info.size} bytes")
                continue
            yield _Member(
                name=str(path),
                stem=str(path.with_suffix("")),
                is_image=is_image,
                offset=info.offset_data,
                size=info.size,
            )


def _pair(shard: str, number: int, stream: BinaryIO, member: _Member, other: _Member) -> ShardPair:
    data = {
        m.is_image: m.data if m.data is not None else _read_at(stream, m.offset, m.size)
        for m in (other, member)
    }
    name = member.name if member.is_image else other.name
    return ShardPair(shard=shard, number=number, name=name, image=data[True], record=data[False])


def _read_at(stream: BinaryIO, offset: int, size: int) -> bytes:
    if stream.tell() != offset:
        stream.seek(offset)
    data = stream.read(size)
    if len(data) < size:
        raise EOFError("the file ends in a member")
    return data


def _existing(shards: tuple[str, ...]) -> tuple[str, ...]:
    """The archives; those on a disk are looked for, as no waiting brings them."""
    missing = [shard for shard in shards if not is_url(shard) and not Path(shard).is_file()]
    if missing:
        raise InvalidInputError(
            f"archives must be there, got {missing[0]} ({len(missing)} of {len(shards)} are "
            "missing). Check the path."
        )
    return shards


def _row(text: str, first: str, rest: str) -> tuple[str, ...]:
    bounds, brace, last = rest.partition("}")
    low, _, high = bounds.partition("..")
    if not (brace and low.isdigit() and high.isdigit() and int(low) <= int(high)):
        raise InvalidInputError(
            f"a row of archives must be like sa_{{000000..000999}}.tar, got {text}. Correct it."
        )
    return tuple(f"{first}{i:0{len(low)}d}{last}" for i in range(int(low), int(high) + 1))


def _listed(text: str) -> tuple[str, ...]:
    with open_archive(text) as (stream, _):
        lines = stream.read().decode("utf-8", "replace").splitlines()
    urls = [line.strip().rpartition("\t")[2] for line in lines]
    # A signed URL goes on after the name.
    return tuple(
        url if is_url(url) or is_url(text) else str(Path(text).parent / url)
        for url in sorted(urls)
        if url.partition("?")[0].endswith(ARCHIVE_SUFFIXES)
    )
