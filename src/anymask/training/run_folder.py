"""What a run leaves on disk: its configuration, a log, one resumable checkpoint, the weights."""

import dataclasses
import json
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from anymask.core.errors import CheckpointError, InvalidInputError
from anymask.core.files import atomic_write, write_bytes, write_json
from anymask.training.config import TrainConfig, config_from_json


@dataclass(frozen=True, kw_only=True)
class RunFolder:
    """Paths and formats of one run; every file is replaced whole or not at all."""

    path: Path

    @property
    def checkpoint_path(self) -> Path:
        """The resumable state."""
        return self.path / "checkpoint.pt"

    @property
    def weights_path(self) -> Path:
        """The averaged weights, in the package's own format."""
        return self.path / "weights.safetensors"

    @property
    def log_path(self) -> Path:
        """One JSON object a line."""
        return self.path / "log.jsonl"

    def prepare(self, config: TrainConfig) -> None:
        """Creates the folder, or checks that what is there is the same run made longer.

        Raises:
            InvalidInputError: the folder holds a run with another configuration.
        """
        config_path = self.path / "config.json"
        if config_path.exists():
            before = config_from_json(json.loads(config_path.read_text()))
            changed = _changed_fields(before, config)
            if changed and self.checkpoint_path.exists():
                raise InvalidInputError(
                    f"{self.path} holds a run with other settings ({', '.join(changed)}). "
                    "Only stages may change on resume; use another --output."
                )
        self.path.mkdir(parents=True, exist_ok=True)
        write_json(config_path, config.to_json())

    def save_checkpoint(self, state: Mapping[str, Any]) -> None:
        """Replaces the resumable state."""
        with atomic_write(self.checkpoint_path) as file:
            torch.save(dict(state), file)

    def load_checkpoint(self) -> dict[str, Any] | None:
        """The resumable state, or None when the run has not saved one.

        Raises:
            CheckpointError: the file is damaged.
        """
        if not self.checkpoint_path.exists():
            return None
        try:
            state = torch.load(self.checkpoint_path, map_location="cpu", weights_only=True)
        except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
            raise CheckpointError(
                f"{self.checkpoint_path} is damaged ({error}). Remove it to start anew."
            ) from None
        assert isinstance(state, dict)
        return state

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


def _changed_fields(before: TrainConfig, after: TrainConfig) -> list[str]:
    names = [f.name for f in dataclasses.fields(TrainConfig) if f.name != "stages"]
    return [name for name in names if getattr(before, name) != getattr(after, name)]
