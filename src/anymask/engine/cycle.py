"""The data engine's cycle: annotate, freeze, train, evaluate, promote, again (Sec. 4).

An engine lives in a studio's folder. It does the steps of its plan one after another, records each,
and stops where people are needed. Whoever opens the folder again goes on from the records.
"""

import dataclasses
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from anymask.core.errors import ConflictError, InvalidInputError, OutputError
from anymask.dataset.photo_folder import Photo
from anymask.engine import prefill_steps, round_steps
from anymask.engine.automatic_step import automatic_config, make_dataset
from anymask.engine.context import EngineContext, Outcome
from anymask.engine.held_out import held_out_digests
from anymask.engine.plan import PLAN_FILE, EnginePlan, read_plan, write_plan
from anymask.engine.pool import PoolImport, import_photos
from anymask.engine.retraining import check_training
from anymask.engine.status import EngineStatus, engine_status
from anymask.engine.steps import STEPS_FOLDER, Journal, Step, StepKind, StepRecord
from anymask.engine.store.blobs import Blobs, open_blobs
from anymask.engine.store.database import Database

_WORK: dict[StepKind, Callable[[EngineContext, Step], Outcome | None]] = {
    StepKind.START: round_steps.start,
    StepKind.DETECTOR: prefill_steps.train_detector,
    StepKind.QUEUE: round_steps.queue,
    StepKind.EMBED: round_steps.embed,
    StepKind.PREFILL: prefill_steps.prefill,
    StepKind.ANNOTATE: round_steps.annotate,
    StepKind.FREEZE: round_steps.freeze_round,
    StepKind.TRAIN: round_steps.train,
    StepKind.EVALUATE: round_steps.evaluate,
    StepKind.PROMOTE: round_steps.promote,
    StepKind.AUTOMATIC: make_dataset,
}


class DataEngine:
    """An engine in a studio's folder: `begin` makes one, `open` gives it.

    Attributes:
        folder: the studio's.
        plan: what the engine does.
        database: the studio's; its clock stamps what people do.
        blobs: the studio's photos and embeddings.
    """

    def __init__(self, folder: Path, plan: EnginePlan, database: Database, blobs: Blobs) -> None:
        self.folder = folder
        self.plan = plan
        self.database = database
        self.blobs = blobs
        self._journal = Journal(folder, plan)

    @classmethod
    def open(
        cls,
        folder: str | Path,
        *,
        database_url: str = "",
        blobs_url: str = "",
        clock: Callable[[], float] = time.time,
    ) -> "DataEngine":
        """Return the engine of a folder; `close` it in the end.

        Args:
            folder: the studio's, as of `anymask serve --data`.
            database_url: "" for the database in the folder.
            blobs_url: "" for the files in the folder.
            clock: gives seconds since 1970.

        Raises:
            InvalidInputError: no engine was begun there.
            OutputError: the database cannot be opened.
        """
        folder = Path(folder).resolve()
        if not (folder / PLAN_FILE).is_file():
            raise InvalidInputError(
                f"folder must have an engine, got {folder}. Begin one: anymask engine init."
            )
        plan = read_plan(folder / PLAN_FILE)
        database = Database(database_url or f"sqlite:///{folder / 'studio.db'}", clock)
        return cls(folder, plan, database, open_blobs(blobs_url or str(folder / "files")))

    @staticmethod
    def begin(folder: str | Path, plan: EnginePlan) -> None:
        """Put a plan into a studio's folder, whose engine then can be opened.

        An engine that is there goes on with the plan, if that only differs in what is still to do.

        Raises:
            InvalidInputError: the engine there has done what is not in the plan or has another
                model or other held-out photos; or there are none to compare models on; or a
                setting cannot be used.
            UnknownNameError: a setting is unknown.
            OutputError: the folder cannot be written.
        """
        _check(plan)
        folder = Path(folder).resolve()
        try:
            (folder / STEPS_FOLDER).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise OutputError(
                f"{folder} could not be made: {error.strerror}. Choose another folder."
            ) from None
        if (folder / PLAN_FILE).is_file():
            _check_change(folder, read_plan(folder / PLAN_FILE), plan)
        write_plan(plan, folder)

    def close(self) -> None:
        """Close the database."""
        self.database.close()

    def add_photos(
        self, photos: Sequence[Photo], on_photo: Callable[[], None] = lambda: None
    ) -> PoolImport:
        """Add photos that rounds and the automatic stage may take; held-out ones are left out.

        Raises:
            OutputError: the folder cannot be written.
        """
        held_out = held_out_digests(self.plan.held_out)
        return import_photos(self.folder, self.blobs, photos, held_out, on_photo)

    @property
    def context(self) -> EngineContext:
        """The engine as it is now."""
        return EngineContext(
            folder=self.folder,
            plan=self.plan,
            database=self.database,
            blobs=self.blobs,
            records=self._journal.records(),
        )

    def planned_step(self) -> Step | None:
        """Return the step that is next; None when all is done."""
        return self._journal.next_step()

    def status(self) -> EngineStatus:
        """Return where the engine is."""
        return engine_status(self.context, self.planned_step())

    def project_of_people(self) -> int | None:
        """Return the project that waits for people; None when none does."""
        step = self.planned_step()
        if step is None or step.kind is not StepKind.ANNOTATE:
            return None
        project_id: int = self.context.record(StepKind.QUEUE, step.round).outputs["project_id"]
        return project_id

    def next_step(self) -> StepRecord | None:
        """Do the next step and return its record; None when it waits for people, or all is done.

        Raises:
            ConflictError: another process is at work on the engine.
            AnymaskError: the step cannot be done; nothing of it is recorded.
        """
        with _alone(self.folder):
            step = self._journal.next_step()
            if step is None:
                return None
            context = self.context
            started_at, begun = self.database.now(), time.monotonic()
            outcome = _WORK[step.kind](context, step)
            if outcome is None:
                return None
            seconds = time.monotonic() - begun
            if step.kind is StepKind.ANNOTATE:  # since people could begin
                before = context.records[-1]
                seconds, started_at = started_at - before.started_at, before.started_at
            record = StepRecord(
                name=step.name,
                kind=step.kind,
                stage=step.stage,
                round=step.round,
                started_at=started_at,
                seconds=round(seconds, 3),
                **dataclasses.asdict(outcome),
            )
            self._journal.write(record, step)
            return record

    def run(
        self,
        *,
        wait_seconds: float | None = None,
        is_round_only: bool = False,
        on_step: Callable[[StepRecord], None] = lambda record: None,
    ) -> tuple[StepRecord, ...]:
        """Do steps until people are needed or all is done, return their records.

        Args:
            wait_seconds: look again after so long where people are needed; None ends there.
            is_round_only: end with the round that is going on.
            on_step: gets each record.

        Raises:
            ConflictError, AnymaskError: as of `next_step`.
        """
        done: list[StepRecord] = []
        while self.planned_step() is not None:
            if is_round_only and done and done[-1].kind is StepKind.PROMOTE:
                break
            record = self.next_step()
            if record is not None:
                done.append(record)
                on_step(record)
            elif wait_seconds is None:
                break
            else:
                time.sleep(wait_seconds)
        return tuple(done)


def _check(plan: EnginePlan) -> None:
    """What cannot be done is said before people work for it."""
    plan.check_promotion()
    for number in range(1, plan.num_rounds + 2):
        check_training(plan.training_of(number))
    prefill_steps.semi_automatic_config(plan)
    automatic_config(plan)


def _check_change(folder: Path, before: EnginePlan, after: EnginePlan) -> None:
    """What was done must be what the new plan begins with."""
    done = Journal(folder, before).records()
    if not done:
        return
    names = [step.name for step in Journal(folder, after).steps[: len(done)]]
    changed = [name for name in ("model", "held_out") if _differ(before, after, name)]
    if names != [record.name for record in done]:
        changed.append("rounds that are done")
    if changed:
        raise InvalidInputError(
            f"plan must keep what was done in {folder}, got another {' and '.join(changed)}. "
            "Use another folder."
        )


def _differ(before: EnginePlan, after: EnginePlan, name: str) -> bool:
    return bool(getattr(before, name) != getattr(after, name))


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """A context that one process at a time is in; a killed one's place is free at once."""
    with (folder / "engine/lock").open("w") as file:
        if os.name == "posix":
            import fcntl

            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise ConflictError(
                    f"engine must be worked on by one process, got another in {folder}. Wait for "
                    "it, or end it.",
                    "engine",
                ) from None
        yield
