"""The engine's steps in their order, and the record that each leaves in the studio's folder.

A step whose record is there is done. Records are whole or absent, and what a step does can be done
again with the same result: so an engine that is killed anywhere goes on where it was.
"""

import dataclasses
import enum
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anymask.core.files import read_json, write_json
from anymask.engine.plan import EnginePlan

STEPS_FOLDER = "engine/steps"


class Stage(enum.StrEnum):
    """The stages of Sec. 4."""

    ASSISTED_MANUAL = "assisted-manual"
    SEMI_AUTOMATIC = "semi-automatic"
    FULLY_AUTOMATIC = "fully automatic"


class StepKind(enum.StrEnum):
    """What a step does; a round's steps follow each other in this order."""

    START = "start"
    """The plan's model becomes the current one, and is measured on the held-out photos."""
    DETECTOR = "detector"
    """A detector of objects learns from all masks so far (stage 2)."""
    QUEUE = "queue"
    """The round's photos are chosen and become a project of the studio."""
    EMBED = "embed"
    """The current model embeds them; embeddings of earlier models that nobody needs go."""
    PREFILL = "prefill"
    """Confident masks are put in before people come (stage 2)."""
    ANNOTATE = "annotate"
    """People annotate, here and nowhere else: the step is done when the project is."""
    FREEZE = "freeze"
    """The round's masks become a data version, which never changes."""
    TRAIN = "train"
    """A new model is trained from the current one."""
    EVALUATE = "evaluate"
    """Both are compared on the held-out photos."""
    PROMOTE = "promote"
    """The new model becomes the current one, or is refused."""
    AUTOMATIC = "automatic"
    """The model alone masks the photos that are left, and writes the data set (stage 3)."""


_MANUAL = (
    StepKind.QUEUE,
    StepKind.EMBED,
    StepKind.ANNOTATE,
    StepKind.FREEZE,
    StepKind.TRAIN,
    StepKind.EVALUATE,
    StepKind.PROMOTE,
)


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step of a plan; rounds count from 1 through all stages, 0 is the beginning."""

    kind: StepKind
    stage: Stage
    round: int

    @property
    def name(self) -> str:
        """Unlike that of every other step of the plan; also a file name."""
        return f"r{self.round:02d}-{self.kind}"


@dataclass(frozen=True, kw_only=True)
class StepRecord:
    """What a step took, gave and measured.

    Attributes:
        name, kind, stage, round: of the step.
        started_at: seconds since 1970.
        seconds: that it took; of ANNOTATE, from the queue to the last photo.
        inputs: ids and hashes of what it read.
        outputs: ids and hashes of what it made.
        figures: what it measured.
    """

    name: str
    kind: StepKind
    stage: Stage
    round: int
    started_at: float
    seconds: float
    inputs: dict[str, Any] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    figures: dict[str, Any] = field(default_factory=dict)


def planned_steps(plan: EnginePlan) -> tuple[Step, ...]:
    """Return all steps of a plan, in order."""
    return tuple(_steps(plan))


def _steps(plan: EnginePlan) -> Iterator[Step]:
    yield Step(kind=StepKind.START, stage=Stage.ASSISTED_MANUAL, round=0)
    for number in range(1, plan.num_rounds + 1):
        is_manual = number <= plan.manual_rounds
        stage = Stage.ASSISTED_MANUAL if is_manual else Stage.SEMI_AUTOMATIC
        kinds = list(_MANUAL)
        if not is_manual and plan.has_detector:
            kinds.insert(kinds.index(StepKind.ANNOTATE), StepKind.PREFILL)
            kinds.insert(0, StepKind.DETECTOR)
        for kind in kinds:
            yield Step(kind=kind, stage=stage, round=number)
    last: list[StepKind] = []
    if plan.has_automatic_stage:
        last.append(StepKind.AUTOMATIC)
    if plan.final_training is not None:
        last += [StepKind.TRAIN, StepKind.EVALUATE, StepKind.PROMOTE]
    for kind in last:
        yield Step(kind=kind, stage=Stage.FULLY_AUTOMATIC, round=plan.num_rounds + 1)


class Journal:
    """The records of an engine, a JSON file each.

    Args:
        folder: the studio's.
        plan: whose steps are recorded.
    """

    def __init__(self, folder: Path, plan: EnginePlan) -> None:
        self._folder = folder / STEPS_FOLDER
        self.steps = planned_steps(plan)

    def records(self) -> tuple[StepRecord, ...]:
        """Return the records so far, in the plan's order.

        Raises:
            InvalidInputError: a file is damaged.
        """
        files = (self._file(step) for step in self.steps)
        return tuple(_from_json(read_json(file)) for file in files if file.is_file())

    def next_step(self) -> Step | None:
        """Return the first step without a record; None when all is done."""
        return next((step for step in self.steps if not self._file(step).is_file()), None)

    def write(self, record: StepRecord, step: Step) -> None:
        """Keep a step's record, whole or not at all; OutputError says why not."""
        write_json(self._file(step), dataclasses.asdict(record))

    def _file(self, step: Step) -> Path:
        return self._folder / f"{step.name}.json"


def _from_json(value: dict[str, Any]) -> StepRecord:
    kind, stage = StepKind(value["kind"]), Stage(value["stage"])
    return StepRecord(**(value | {"kind": kind, "stage": stage}))
