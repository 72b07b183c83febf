"""The three official weight files: where they are, and a download that resumes and verifies."""

import hashlib
import os
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from pathlib import Path

from tqdm import tqdm

from anymask.core.errors import CheckpointError, DownloadError, OutputError, UnknownNameError

BASE_URL = "https://dl.fbaipublicfiles.com/segment_anything/"
_CHUNK_BYTES = 1 << 20
_TIMEOUT_SECONDS = 30


@dataclass(frozen=True, kw_only=True)
class OfficialFile:
    """One released weight file: its name at `BASE_URL`, its size, the SHA-256 of its content."""

    file_name: str
    num_bytes: int
    sha256: str


OFFICIAL_FILES = {
    "vit_b": OfficialFile(
        file_name="sam_vit_b_01ec64.pth",
        num_bytes=375042383,
        sha256="ec2df62732614e57411cdcf32a23ffdf28910380d03139ee0f4fcbe91eb8c912",
    ),
    "vit_l": OfficialFile(
        file_name="sam_vit_l_0b3195.pth",
        num_bytes=1249524607,
        sha256="3adcc4315b642a4d2101128f611684e8734c41232a17c648ed1693702a49a622",
    ),
    "vit_h": OfficialFile(
        file_name="sam_vit_h_4b8939.pth",
        num_bytes=2564550879,
        sha256="a7bf3b02f3ebf1267aba913ff637d9a2d5c33d3173bb679e46d9f338c26f262e",
    ),
}


def cache_folder() -> Path:
    """Where downloads are kept: $ANYMASK_CACHE, else anymask in the user's cache folder (XDG)."""
    if named := os.environ.get("ANYMASK_CACHE"):
        return Path(named).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "anymask"


def official_path(name: str, folder: Path | None = None) -> Path:
    """The place of the official file `name` ("vit_b", "vit_l", "vit_h"), there or not.

    Raises:
        UnknownNameError: no such file; the text lists them.
    """
    return (folder or cache_folder()) / _entry(name).file_name


def download(
    name: str,
    folder: Path | None = None,
    base_url: str | None = None,
    *,
    show_progress: bool = True,
) -> Path:
    """The path of the official file `name`, fetched unless it is already there and whole.

    What came is kept as NAME.part when a connection breaks, and the next call goes on from there.

    Args:
        name: "vit_b", "vit_l" or "vit_h".
        folder: where to keep it; the cache folder when left out, made when missing.
        base_url: a mirror that holds the same files.
        show_progress: draw a bar on stderr; never drawn when that is not a terminal.

    Raises:
        UnknownNameError: no such file.
        DownloadError: it could not be fetched whole, or its SHA-256 is wrong.
        OutputError: it could not be written (read-only folder, full disk).
    """
    entry, target = _entry(name), official_path(name, folder)
    if target.is_file() and _mismatch(target, entry) is None:
        return target
    part = target.with_name(target.name + ".part")
    url = f"{(base_url or BASE_URL).rstrip('/')}/{entry.file_name}"
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _fetch(url, part, entry, show_progress)
        if reason := _mismatch(part, entry):
            part.unlink()
            raise DownloadError(f"{url} is not the promised file: {reason}. Run it again.")
        part.replace(target)
    except (DownloadError, OutputError):
        raise
    except OSError as error:
        raise OutputError(
            f"{part} could not be written: {error.strerror or error}. "
            "Make room or set ANYMASK_CACHE to another folder, then run it again."
        ) from error
    return target


def verify(path: Path, name: str) -> None:
    """Return if the file is the official one called `name`, by size and SHA-256.

    Raises:
        UnknownNameError: no such official file.
        CheckpointError: the file is missing or another one.
    """
    entry = _entry(name)
    if not path.is_file():
        raise CheckpointError(f"{path} does not exist. Run: anymask models download {name}")
    if reason := _mismatch(path, entry):
        raise CheckpointError(
            f"{path} is not the official {name}: {reason}. Run: anymask models download {name}"
        )


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's content in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _entry(name: str) -> OfficialFile:
    if name not in OFFICIAL_FILES:
        raise UnknownNameError("download", name, tuple(OFFICIAL_FILES))
    return OFFICIAL_FILES[name]


def _mismatch(path: Path, entry: OfficialFile) -> str | None:
    """What is wrong with a file, or None; the slow hash only when the size fits."""
    num_bytes = path.stat().st_size
    if num_bytes != entry.num_bytes:
        return f"it has {num_bytes} bytes, not {entry.num_bytes}"
    digest = sha256_of(path)
    return None if digest == entry.sha256 else f"its SHA-256 is {digest}, not {entry.sha256}"


def _fetch(url: str, part: Path, entry: OfficialFile, show_progress: bool) -> None:
    """Complete the part file from the network; DownloadError if the connection ends early."""
    have = part.stat().st_size if part.is_file() else 0
    if have == entry.num_bytes:
        return
    have = have if have < entry.num_bytes else 0
    with _open(url, have) as response:
        if response.status != HTTPStatus.PARTIAL_CONTENT:
            have = 0  # the server knows no ranges and sends the file from its start
        length = response.headers.get("Content-Length")
        if length is not None and have + int(length) != entry.num_bytes:
            raise DownloadError(
                f"{url} offers {have + int(length)} bytes, not {entry.num_bytes}. "
                "Check that no proxy or login page answers in its place."
            )
        bar = tqdm(
            total=entry.num_bytes,
            initial=have,
            unit="B",
            unit_scale=True,
            desc=entry.file_name,
            disable=None if show_progress else True,
        )
        with bar, part.open("ab" if have else "wb") as stream:
            for chunk in _chunks(response, url):
                have += len(chunk)
                if have > entry.num_bytes:
                    break  # another file; the caller sees by its size
                stream.write(chunk)
                bar.update(len(chunk))
    if have < entry.num_bytes:
        raise DownloadError(_ended_early(url, f"after {have} of {entry.num_bytes} bytes"))


def _open(url: str, start: int) -> HTTPResponse:
    request = urllib.request.Request(url, headers={"Range": f"bytes={start}-"} if start else {})
    try:
        response: HTTPResponse = urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        error.close()
        raise DownloadError(
            f"{url} answered {error.code} {error.reason}. Try later, or copy the file by hand."
        ) from None
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", error)
        raise DownloadError(f"{url} cannot be reached: {reason}. Check the network.") from error
    return response


def _chunks(response: HTTPResponse, url: str) -> Iterator[bytes]:
    try:
        while chunk := response.read(_CHUNK_BYTES):
            yield chunk
    except (OSError, HTTPException) as error:
        raise DownloadError(_ended_early(url, f"({error})")) from error


def _ended_early(url: str, detail: str) -> str:
    return f"{url} ended early {detail}; what came is kept. Run it again to go on."
