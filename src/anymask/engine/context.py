"""What the engine's steps work with: the plan, the store, and the records of what was done."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anymask.core.errors import InvalidInputError
from anymask.engine.current_model import CurrentModel, read_current_model
from anymask.engine.plan import EnginePlan
from anymask.engine.pool import read_pool
from anymask.engine.steps import Step, StepKind, StepRecord
from anymask.engine.store.blobs import Blobs
from anymask.engine.store.database import Database
from anymask.engine.store.projects import ImageFile

DATA_FOLDER = "engine/data"
RUNS_FOLDER = "engine/runs"
AUTOMATIC_FOLDER = "engine/automatic"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a step took, gave and measured; see `StepRecord`."""

    inputs: dict[str, Any]
    outputs: dict[str, Any]
    figures: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class EngineContext:
    """An engine at one moment.

    Attributes:
        folder: the studio's.
        plan: of the engine.
        database: the studio's.
        blobs: the studio's.
        records: of the steps that are done, in order.
    """

    folder: Path
    plan: EnginePlan
    database: Database
    blobs: Blobs
    records: tuple[StepRecord, ...]

    @property
    def current_model(self) -> CurrentModel:
        """The model that people work with.

        Raises:
            InvalidInputError: the first step was not done.
        """
        current = read_current_model(self.folder)
        if current is None:
            raise InvalidInputError(f"{self.folder} must have a model, got none. Do the next step.")
        return current

    def record(self, kind: StepKind, round_number: int) -> StepRecord:
        """Return the record of a step that is done."""
        return next(r for r in self.records if (r.kind, r.round) == (kind, round_number))

    def of_kind(self, kind: StepKind) -> Iterator[StepRecord]:
        """Yield the records of one kind, in order."""
        return (record for record in self.records if record.kind is kind)

    def version_folder(self, version: str) -> Path:
        """Return where a data version lies."""
        return self.folder / DATA_FOLDER / version

    def run_folder(self, step: Step) -> Path:
        """Return where a training's run lies."""
        return self.folder / RUNS_FOLDER / step.name

    def model_file(self, model: str) -> str:
        """Return a model's file, which a record names from the folder, or its name."""
        own = self.folder / model
        return str(own) if own.exists() else model

    def unused_photos(self) -> tuple[ImageFile, ...]:
        """Return the photos that no round has had."""
        used = {d for record in self.of_kind(StepKind.QUEUE) for d in record.outputs["photos"]}
        return tuple(file for file in read_pool(self.folder) if file.digest not in used)

    @property
    def release_folder(self) -> Path:
        """The data set of the automatic stage."""
        return self.folder / AUTOMATIC_FOLDER / "release"

    def versions_since_promotion(self) -> list[str]:
        """Return the data versions that the current model has not learned from, oldest first."""
        versions: list[str] = []
        for record in self.records:
            if record.kind is StepKind.FREEZE:
                versions.append(record.outputs["version"])
            elif record.kind is StepKind.PROMOTE and record.figures["is_promoted"]:
                versions.clear()
        return versions

    def all_versions(self) -> list[str]:
        """Return all data versions, oldest first."""
        return [record.outputs["version"] for record in self.of_kind(StepKind.FREEZE)]
