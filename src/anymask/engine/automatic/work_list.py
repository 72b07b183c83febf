"""Which photos there are, in the order of their content's hashes: the split of the work.

A photo's rank in this order is its number, so that ids and shards are a function of the set of
photos alone. The list lies on disk; of the photos no more than a shard's are in memory.
"""

import hashlib
import json
import shutil
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

from anymask.core.errors import InvalidInputError
from anymask.core.files import atomic_write, read_json, write_json
from anymask.engine.automatic.sources import find_sources, open_source, state_of

_LIST_FILE, _SUMMARY_FILE, _PARTS_FOLDER = "photos.jsonl", "photos.json", "photos.parts"
_NUM_READERS = 8
_NUM_AHEAD = 64
_CHUNK_BYTES = 1 << 20
_NUM_PARTS = 256  # by the first byte of the hash; each is sorted in memory


@dataclass(frozen=True, kw_only=True, slots=True)
class ListedPhoto:
    """A photo with its number in the release.

    Attributes:
        image_id: its rank by hash, from 1.
        digest: SHA-256 of the file in hex.
        source: path or URL; of several files with the same content the first by name.
    """

    image_id: int
    digest: str
    source: str


@dataclass(frozen=True, kw_only=True)
class WorkList:
    """The photos of a run.

    Attributes:
        path: of the file with a line for each.
        listing: a hash of the names, sizes and times of the files, to know them again.
        content: a hash of the list's hashes.
        num_photos: in the list.
        num_duplicates: files left out, as their content is there already.
        unreadable: source and reason of each file that could not be read at all.
    """

    path: Path
    listing: str
    content: str
    num_photos: int
    num_duplicates: int
    unreadable: tuple[tuple[str, str], ...]

    def shards(self, images_per_shard: int) -> Iterator[tuple[int, tuple[ListedPhoto, ...]]]:
        """Yield each shard's number, from 0, and its photos."""
        photos = listed_photos(self.path.parent)
        number = 0
        while part := tuple(islice(photos, images_per_shard)):
            yield number, part
            number += 1


def listed_photos(folder: Path) -> Iterator[ListedPhoto]:
    """Yield the photos of the list that `open_work_list` made in the folder, in their order."""
    with (folder / _LIST_FILE).open(encoding="ascii") as lines:
        for rank, line in enumerate(lines, 1):
            yield _photo(rank, line)


def open_work_list(names: Sequence[str | Path], folder: Path) -> WorkList:
    """Return the list kept in the folder, or make it; for that every file is read once.

    Args:
        names: what `find_sources` takes.
        folder: of the list, private to the run.

    Raises:
        InvalidInputError: there are no photos, or not those that the kept list was made of.
        DownloadError: a list of names cannot be read.
        OutputError: the list cannot be written.
    """
    summary = folder / _SUMMARY_FILE
    kept = _read(summary) if summary.exists() else None
    if kept is not None and kept.listing == _listing(find_sources(names)):
        return kept
    parts = folder / _PARTS_FOLDER
    shutil.rmtree(parts, ignore_errors=True)  # of a run that was killed here
    parts.mkdir(parents=True)
    try:
        made = _make(find_sources(names), parts, folder / _LIST_FILE, kept)
    finally:
        shutil.rmtree(parts, ignore_errors=True)
    value = asdict(made)
    del value["path"]
    write_json(summary, value)
    return made


def _read(summary: Path) -> WorkList:
    value = read_json(summary)
    unreadable = tuple((source, reason) for source, reason in value.pop("unreadable"))
    return WorkList(path=summary.with_name(_LIST_FILE), unreadable=unreadable, **value)


@dataclass(kw_only=True)
class _Listing:
    """A hash of lines in any order: the sum of theirs."""

    total: int = 0
    num_lines: int = 0

    def add(self, line: str) -> None:
        digest = hashlib.sha256(line.encode("utf-8", "surrogateescape")).digest()
        self.total = (self.total + int.from_bytes(digest)) % (1 << 256)
        self.num_lines += 1

    @property
    def digest(self) -> str:
        return f"{self.total:064x}"


def _listing(sources: Iterable[str]) -> str:
    listing = _Listing()
    for source in sources:
        listing.add(state_of(source))
    return listing.digest


def _make(sources: Iterable[str], parts: Path, path: Path, kept: WorkList | None) -> WorkList:
    """Hash the files, sort them in parts that each fit into memory, and write the list."""
    listing = _Listing()
    unreadable: list[tuple[str, str]] = []
    with ExitStack() as stack:
        files = [
            stack.enter_context((parts / f"{part:02x}").open("x+", encoding="ascii"))
            for part in range(_NUM_PARTS)
        ]
        for source, digest in _hashed(sources, listing):
            try:
                found = digest.result()
            except OSError as error:
                unreadable.append((source, error.strerror or str(error)))
                continue
            files[int(found[:2], 16)].write(json.dumps([found, source]) + "\n")
        if listing.num_lines == 0:
            raise InvalidInputError("photos must be named, got none. Name files or folders.")
        content = hashlib.sha256()
        num_photos = 0
        with atomic_write(path) as stream:
            for file in files:
                file.seek(0)
                last = ""
                for line in sorted(file):
                    digest, _ = json.loads(line)
                    if digest == last:
                        continue
                    last = digest
                    content.update(bytes.fromhex(digest))
                    num_photos += 1
                    stream.write(line.encode("ascii"))
            if kept is not None and content.hexdigest() != kept.content:
                raise InvalidInputError(
                    f"photos must be those that the run in {path.parent} began with, got others "
                    f"({num_photos} instead of {kept.num_photos}). Choose another output folder."
                )
    return WorkList(
        path=path,
        listing=listing.digest,
        content=content.hexdigest(),
        num_photos=num_photos,
        num_duplicates=listing.num_lines - len(unreadable) - num_photos,
        unreadable=tuple(sorted(unreadable)),
    )


def _hashed(sources: Iterable[str], listing: _Listing) -> Iterator[tuple[str, Future[str]]]:
    """Yield each source with its hash, while the next ones are read."""
    pending: deque[tuple[str, Future[str]]] = deque()
    with ThreadPoolExecutor(_NUM_READERS) as readers:
        for source in sources:
            listing.add(state_of(source))
            pending.append((source, readers.submit(_digest, source)))
            if len(pending) == _NUM_AHEAD:
                yield pending.popleft()
        yield from pending


def _digest(source: str) -> str:
    with open_source(source) as stream:
        digest = hashlib.sha256()
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
        return digest.hexdigest()


def _photo(rank: int, line: str) -> ListedPhoto:
    digest, source = json.loads(line)
    return ListedPhoto(image_id=rank, digest=digest, source=source)
