"""What a run leaves on disk: its configuration, a log, one resumable checkpoint, the weights."""

import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anymask.core.errors import InvalidInputError, OutputError
from anymask.core.files import write_bytes, write_json


@dataclass(frozen=True, kw_only=True)
class RunFolder:
    """Paths and formats of one run; every file is replaced whole or not at all."""

    path: Path

    @property
    def checkpoint_path(self) -> Path:
        """The resumable state of a run whose every process holds the whole model."""
        return self.path / "checkpoint.pt"

    def sharded_checkpoints(self) -> list[Path]:
        """The resumable states that several processes wrote together, the newest last."""
        found = [p for p in self.path.glob("checkpoint-*") if p.name[11:].isdigit()]
        return sorted(found, key=lambda p: int(p.name[11:]))

    def sharded_checkpoint_path(self, step: int) -> Path:
        """Where the state after that many steps goes when several processes write it."""
        return self.path / f"checkpoint-{step:08d}"

    @property
    def has_checkpoint(self) -> bool:
        """Whether there is a state to go on from."""
        return self.checkpoint_path.exists() or bool(self.sharded_checkpoints())

    @property
    def weights_path(self) -> Path:
        """The averaged weights, in the package's own format."""
        return self.path / "weights.safetensors"

    @property
    def log_path(self) -> Path:
        """One JSON object a line."""
        return self.path / "log.jsonl"

    @property
    def config_path(self) -> Path:
        """The run's settings."""
        return self.path / "config.json"

    def check(self, config: Any, may_change: Iterable[str]) -> None:
        """Makes sure that a run that is stored here is the one of this configuration.

        Args:
            config: a frozen dataclass with `to_json`.
            may_change: its fields that a run that goes on may have otherwise.

        Raises:
            InvalidInputError: the folder holds a run with another configuration.
        """
        if not self.has_checkpoint or not self.config_path.exists():
            return
        allowed = tuple(may_change)
        before = json.loads(self.config_path.read_text())
        changed = [
            name for name in _changed_fields(before, config) if name.split(".")[0] not in allowed
        ]
        if changed:
            raise InvalidInputError(
                f"{self.path} holds a run with other settings ({', '.join(changed)}). "
                f"Only {', '.join(allowed)} may change on resume; use another --output."
            )

    def prepare(self, config: Any) -> None:
        """Creates the folder and writes the configuration.

        Raises:
            OutputError: it cannot be written.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"{self.path} could not be created: {error.strerror}. Choose another --output."
            ) from None
        write_json(self.config_path, config.to_json())

    def read_log(self, before_step: int | None = None) -> list[dict[str, Any]]:
        """The rows of the log, those before a step when one is given."""
        if not self.log_path.exists():
            return []
        rows = []
        for line in self.log_path.read_text().splitlines():
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError:  # the line that a kill cut short
                break
        return [row for row in rows if before_step is None or row["step"] < before_step]

    def rewind_log(self, step: int) -> None:
        """Drops rows of steps that will be run again."""
        rows = self.read_log(before_step=step)
        write_bytes(self.log_path, "".join(json.dumps(row) + "\n" for row in rows).encode())

    def append_log(self, row: Mapping[str, Any]) -> None:
        """One more row, readable by others at once.

        Raises:
            OutputError: it cannot be written.
        """
        try:
            with self.log_path.open("a") as file:
                file.write(json.dumps(row) + "\n")
        except OSError as error:
            raise OutputError(
                f"{self.log_path} could not be written: {error.strerror}. Make room; "
                "the run goes on from its last checkpoint."
            ) from None


def _changed_fields(before: Mapping[str, Any], config: Any, prefix: str = "") -> Iterator[str]:
    """The dotted names of the fields that are not as before; one that is new had its default."""
    after = json.loads(json.dumps(dataclasses.asdict(config)))
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        name = prefix + field.name
        if dataclasses.is_dataclass(value):
            yield from _changed_fields(before.get(field.name, {}), value, name + ".")
        elif field.name in before:
            if before[field.name] != after[field.name]:
                yield name
        elif field.default is not dataclasses.MISSING and field.default != value:
            yield name
