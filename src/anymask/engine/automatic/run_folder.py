"""The folder of a run: what is released in one part of it, all that is private in the other.

OUT/release/    sa_000000.tar ..., manifest.json: to be given away
OUT/run/        where photos came from, options, log, photos set aside: to be kept
OUT/run/done/   photos whose shard is not whole yet, each under its hash
"""

import fcntl
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anymask.core.errors import InvalidInputError, OutputError
from anymask.core.files import read_json, write_json
from anymask.dataset.manifest import MANIFEST_FILE
from anymask.dataset.shard_writing import ShardSummary, shard_name
from anymask.engine.automatic.work_list import ListedPhoto


@dataclass(frozen=True, kw_only=True)
class RunFolder:
    """Names of all files of a run; `path` must be reachable under this name by all workers."""

    path: Path

    @property
    def release(self) -> Path:
        """The folder to be given away."""
        return self.path / "release"

    @property
    def private(self) -> Path:
        """The folder with all else."""
        return self.path / "run"

    @property
    def manifest(self) -> Path:
        """The last file of a release: where it is, the run is done."""
        return self.release / MANIFEST_FILE

    @property
    def set_aside_list(self) -> Path:
        """The photos that could not be used, with reasons; written with the manifest."""
        return self.private / "set_aside.json"

    @property
    def log(self) -> Path:
        """A JSON line for each photo done, in the order in which they were."""
        return self.private / "log.jsonl"

    def shard(self, number: int) -> Path:
        """The archive of that number."""
        return self.release / shard_name(number)

    def done(self, shard: int, photo: ListedPhoto) -> Path:
        """A photo's result until its shard is whole: an archive of this one image."""
        return self.done_folder(shard) / f"{photo.digest}.tar"

    def done_folder(self, shard: int) -> Path:
        """The results of a shard's photos."""
        return self.private / "done" / f"{shard:06d}"

    def refusal(self, photo: ListedPhoto) -> Path:
        """Why a photo was set aside."""
        return self.private / "set_aside" / f"{photo.digest}.json"

    def is_over(self, shard: int, photo: ListedPhoto) -> bool:
        """Whether the photo is done or set aside."""
        return self.done(shard, photo).exists() or self.refusal(photo).exists()

    def summary(self, shard: int) -> Path:
        """The shard's line for the manifest, so that resuming reads no archive again."""
        return self.private / "shards" / f"{shard:06d}.json"

    def make(self) -> None:
        """Make the folders.

        Raises:
            OutputError: that is not possible.
        """
        try:
            for folder in (self.release, *(self.private / n for n in ("set_aside", "shards"))):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"output folder {self.path} must be writable, got: {error.strerror}. "
                "Choose another with --output."
            ) from error

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Return a context in which no other run may use the folder; a killed run lets go of it.

        Raises:
            InvalidInputError: another run does.
        """
        with (self.private / "lock").open("w") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise InvalidInputError(
                    f"{self.path} must be free, got a folder that another run is using. "
                    "Wait for it, or choose another."
                ) from None
            yield

    def agree(self, name: str, value: Mapping[str, Any]) -> None:
        """Keep a value as `run/NAME.json`; later runs must have the same.

        Raises:
            InvalidInputError: another value is kept; the text names the first difference.
        """
        path = self.private / f"{name}.json"
        if not path.exists():
            write_json(path, value)
            return
        before, now = _flat(read_json(path)), _flat(json.loads(json.dumps(value)))
        for key in before | now:
            if before.get(key) != now.get(key):
                raise InvalidInputError(
                    f"{key} must stay {before.get(key)!r} in {self.path}, got {now.get(key)!r}. "
                    "Go on as the run began, or choose another output folder."
                )

    def keep_summary(self, shard: int, summary: ShardSummary) -> None:
        """Keep what the manifest will say of a shard."""
        write_json(self.summary(shard), summary.to_json())

    def summaries(self) -> Iterator[ShardSummary]:
        """Yield what is known of shards that are whole."""
        for path in sorted((self.private / "shards").glob("*.json")):
            yield ShardSummary(**read_json(path))

    def close_shard(self, shard: int) -> None:
        """Remove the results that the whole shard holds."""
        shutil.rmtree(self.done_folder(shard), ignore_errors=True)

    def refusals(self) -> Iterator[Path]:
        """Yield what `refusal` names of all photos that were set aside, by hash."""
        yield from sorted((self.private / "set_aside").glob("*.json"))

    def remove_remains(self) -> None:
        """Remove what killed workers left half written, and results that are in shards."""
        for left in self.release.glob(".*.tmp"):
            left.unlink(missing_ok=True)
        shutil.rmtree(self.private / "done", ignore_errors=True)

    def append_log(self, row: Mapping[str, Any]) -> None:
        """Add a line to the log; OutputError says why that fails."""
        try:
            with self.log.open("a", encoding="ascii") as stream:
                stream.write(json.dumps(row) + "\n")
        except OSError as error:
            raise OutputError(
                f"{self.log} could not be written: {error.strerror}. Make room and start again."
            ) from error

    def read_log(self) -> Iterator[dict[str, Any]]:
        """Yield the log's lines; one that a kill cut off is passed over."""
        if self.log.exists():
            with self.log.open(encoding="ascii") as lines:
                for line in lines:
                    with suppress(ValueError):
                        yield json.loads(line)


def _flat(value: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by dotted name."""
    flat: dict[str, Any] = {}
    for key, part in value.items():
        if isinstance(part, Mapping):
            flat |= {f"{key}.{name}": inner for name, inner in _flat(part).items()}
        else:
            flat[key] = part
    return flat
