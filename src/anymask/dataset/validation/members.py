"""The members of an archive, one after another, with all that is wrong about the archive itself."""

import gzip
import re
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import BinaryIO

from anymask.dataset.archive_file import open_archive
from anymask.dataset.shards import MAX_MEMBER_BYTES
from anymask.dataset.validation.rules import Findings

_CHUNK_BYTES = 1 << 20
_PAIR_NAME = re.compile(r"(?:\./)?sa_(0|[1-9][0-9]{0,17})\.(jpg|json)")
_DRIVE = re.compile(r"[A-Za-z]:")


@dataclass(frozen=True, kw_only=True, eq=False)
class Member:
    """A file of an image in an archive.

    Attributes:
        number: N of its name `sa_N.jpg` or `sa_N.json`.
        is_image: or else the JSON.
        data: its bytes.
    """

    number: int
    is_image: bool
    data: bytes

    @property
    def name(self) -> str:
        """Without folder."""
        return f"sa_{self.number}.{'jpg' if self.is_image else 'json'}"


class ArchiveWalk:
    """Reads an archive from front to back, once.

    Args:
        shard: path or URL.
        label: of the shard, for findings.
        findings: told of what is wrong.

    Attributes:
        is_whole: after the walk, whether its end was reached.
    """

    def __init__(self, shard: str, label: str, findings: Findings) -> None:
        self._shard = shard
        self._label = label
        self._findings = findings
        self._seen: set[str] = set()
        self.is_whole = False

    def __iter__(self) -> Iterator[Member]:
        """Yield the files of images; DownloadError if a URL cannot be read after all retries."""
        try:
            with open_archive(self._shard) as (stream, _):
                yield from self._walk(stream)
        except (gzip.BadGzipFile, zlib.error) as error:
            self._tell("damaged-gzip", f"got {error}")
        except EOFError as error:
            self._tell("cut-off", f"got {error}")

    def _walk(self, stream: BinaryIO) -> Iterator[Member]:
        offset = 0
        try:
            with tarfile.open(fileobj=stream, mode="r:") as archive:
                while (info := archive.next()) is not None:
                    archive.members.clear()  # type: ignore[attr-defined]  # else they all stay
                    offset = archive.offset
                    if self._is_pair_file(info):
                        yield self._read(stream, info)
        except tarfile.TarError as error:
            # tarfile has no classes for these.
            is_cut = "end of data" in str(error)
            rule = "cut-off" if is_cut else "damaged-header" if offset else "not-an-archive"
            self._tell(rule, f"got {error}")
            return
        self._check_end(stream, offset)

    def _read(self, stream: BinaryIO, info: tarfile.TarInfo) -> Member:
        """The member's bytes; EOFError if they are not all there."""
        match = _PAIR_NAME.fullmatch(info.name)
        assert match is not None  # as it is a file of a pair
        stream.seek(info.offset_data)
        data = stream.read(info.size)
        if len(data) < info.size:
            raise EOFError(f"the end after {len(data)} of {info.size} bytes of {info.name}")
        return Member(number=int(match[1]), is_image=match[2] == "jpg", data=data)

    def _is_pair_file(self, info: tarfile.TarInfo) -> bool:
        """Whether to read a member; tells what is wrong with its header."""
        name = info.name
        path = PurePosixPath(name)
        if (
            path.is_absolute()
            or ".." in path.parts
            or "\\" in name
            or _DRIVE.match(name)
            or not name.isprintable()
        ):
            self._tell("unsafe-name", f"got {name[:100]!r}")
        elif info.isdir():
            return False
        elif not info.isreg() or info.issparse():
            self._tell("unsafe-member", f"got {name[:100]!r} of type {info.type.decode('latin-1')}")
        elif not _PAIR_NAME.fullmatch(name):
            self._tell("unexpected-member", f"got {name[:100]!r}")
        elif path.name in self._seen:
            self._tell("duplicate-member", f"got {path.name} again")
        else:
            self._seen.add(path.name)
            if 0 < info.size <= MAX_MEMBER_BYTES:
                return True
            self._tell("member-size", f"got {info.size} bytes of {path.name}")
        return False

    def _check_end(self, stream: BinaryIO, offset: int) -> None:
        """Look at what follows the last member, and so at gzip's check sum, too."""
        stream.seek(offset)
        block = stream.read(tarfile.BLOCKSIZE)
        if len(block) < tarfile.BLOCKSIZE:
            self._tell("cut-off", "got no end mark")
            return
        if any(block):
            self._tell(
                "damaged-header", f"got one at byte {offset}; what follows was not looked at"
            )
            return
        self.is_whole = True
        while chunk := stream.read(_CHUNK_BYTES):
            if any(chunk):
                self._tell("hidden-data", "got more than zeros")
                return

    def _tell(self, rule: str, text: str) -> None:
        self._findings.add(rule, self._label, text)
