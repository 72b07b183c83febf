"""The shards of a data set with their hashes and counts, in a file that is written last."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anymask.core.errors import InvalidInputError
from anymask.core.files import read_json, write_json
from anymask.dataset.shard_writing import ShardSummary
from anymask.dataset.shards import find_shards, read_pairs

MANIFEST_FILE = "manifest.json"
_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a data set consists of, its shards by name."""

    shards: tuple[ShardSummary, ...]

    @property
    def num_images(self) -> int:
        """Of all shards."""
        return sum(shard.num_images for shard in self.shards)

    @property
    def num_masks(self) -> int:
        """Of all shards."""
        return sum(shard.num_masks for shard in self.shards)

    def to_json(self) -> dict[str, Any]:
        """Return the manifest as plain JSON data."""
        return {
            "version": _VERSION,
            "num_images": self.num_images,
            "num_masks": self.num_masks,
            "shards": [shard.to_json() for shard in self.shards],
        }


def write_manifest(folder: str | Path, known: Iterable[ShardSummary] = ()) -> Path:
    """Write the folder's manifest and return its path.

    Args:
        folder: with the finished shards.
        known: summaries of shards that this process has just written; the others are read.

    Raises:
        InvalidInputError: there is no shard, or one is damaged.
        OutputError: the file cannot be written.
    """
    folder = Path(folder)
    shards = find_shards(folder)
    if not shards:
        raise InvalidInputError(
            f"folder must hold shards (sa_000000.tar, ...), got none in {folder}. Write them first."
        )
    summaries = {summary.name: summary for summary in known}
    manifest = Manifest(
        shards=tuple(
            summaries.get(Path(shard).name) or summarize_shard(Path(shard)) for shard in shards
        )
    )
    path = folder / MANIFEST_FILE
    write_json(path, manifest.to_json())
    return path


def read_manifest(folder: str | Path) -> Manifest:
    """Return the folder's manifest.

    Raises:
        InvalidInputError: there is none, or it is damaged.
    """
    path = Path(folder) / MANIFEST_FILE
    try:
        content = read_json(path)
        if content["version"] != _VERSION:
            raise ValueError(f"version {content['version']!r}")
        shards = tuple(_summary(item) for item in content["shards"])
        manifest = Manifest(shards=shards)
        if manifest.to_json() != content:
            raise ValueError("counts that do not add up, or unknown keys")
        return manifest
    except InvalidInputError:
        raise
    except (ValueError, KeyError, TypeError) as error:
        what = f"no key {error}" if isinstance(error, KeyError) else str(error)
        raise InvalidInputError(
            f"{path} must be a manifest of version {_VERSION}, got: {what}. "
            "Write the data set again."
        ) from None


def summarize_shard(shard: Path) -> ShardSummary:
    """Return what the manifest says of a shard, by reading all of it.

    Raises:
        InvalidInputError: it is damaged.
    """
    problems: list[str] = []
    num_images = num_masks = 0
    for pair in read_pairs(str(shard), set_aside=problems.append):
        assert pair is not None  # as all are wanted
        num_images += 1
        num_masks += _num_masks(pair.record, problems)
    if problems:
        raise InvalidInputError(
            f"shards must be whole, got: {problems[0]}. See `anymask dataset validate`."
        )
    with shard.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return ShardSummary(
        name=shard.name,
        num_bytes=shard.stat().st_size,
        sha256=digest,
        num_images=num_images,
        num_masks=num_masks,
    )


def _num_masks(record: bytes, problems: list[str]) -> int:
    try:
        return len(json.loads(record)["annotations"])
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        problems.append(f"JSON without annotations ({error})")
        return 0


def _summary(item: Any) -> ShardSummary:
    summary = ShardSummary(**item)
    texts: Sequence[object] = (summary.name, summary.sha256)
    numbers: Sequence[object] = (summary.num_bytes, summary.num_images, summary.num_masks)
    if not all(isinstance(text, str) for text in texts):
        raise TypeError("a name or hash that is no text")
    if not all(type(number) is int for number in numbers):
        raise TypeError("a count that is no whole number")
    return summary
