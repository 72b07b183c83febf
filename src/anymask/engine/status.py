"""Where an engine is: stage, round, what is next, what it waits for, and each round's figures."""

from collections.abc import Iterator
from dataclasses import dataclass

from anymask.engine.context import EngineContext
from anymask.engine.current_model import read_current_model
from anymask.engine.steps import Stage, Step, StepKind, StepRecord
from anymask.engine.store.projects import get_progress

_NEXT = {
    StepKind.START: "measure the first model on the held-out photos",
    StepKind.DETECTOR: "train the detector of objects",
    StepKind.QUEUE: "choose the round's photos",
    StepKind.EMBED: "embed the round's photos",
    StepKind.PREFILL: "put confident masks in",
    StepKind.ANNOTATE: "people annotate",
    StepKind.FREEZE: "freeze the round's masks",
    StepKind.TRAIN: "train a new model",
    StepKind.EVALUATE: "compare it with the current one",
    StepKind.PROMOTE: "promote or refuse it",
    StepKind.AUTOMATIC: "mask the photos that are left, write the data set",
}


@dataclass(frozen=True, kw_only=True)
class RoundSummary:
    """A round's figures; None where a step was not done, or measured nothing.

    Attributes:
        round: from 1; 0 is the model to begin with.
        stage: of the round.
        images, masks, masks_per_image, seconds_per_mask, clicks_per_mask: see `RoundFigures`.
        prefilled: masks that were there before people came.
        prefill_precision: of them, those that people kept.
        score, score_low, score_high: the mean IoU of the round's model on the held-out masks, with
            its 95 % interval.
        change, change_low, change_high: from the model before.
        model_id: of the round's model.
        is_promoted: whether it became the current one.
        photos_masked, automatic_masks: of stage 3.
    """

    round: int
    stage: Stage
    images: int | None = None
    masks: int | None = None
    masks_per_image: float | None = None
    seconds_per_mask: float | None = None
    clicks_per_mask: float | None = None
    prefilled: int | None = None
    prefill_precision: float | None = None
    score: float | None = None
    score_low: float | None = None
    score_high: float | None = None
    change: float | None = None
    change_low: float | None = None
    change_high: float | None = None
    model_id: str | None = None
    is_promoted: bool | None = None
    photos_masked: int | None = None
    automatic_masks: int | None = None


@dataclass(frozen=True, kw_only=True)
class Queue:
    """What people have before them: the round's project, and its images by state."""

    project_id: int
    waiting: int
    submitted: int
    accepted: int
    rejected: int


@dataclass(frozen=True, kw_only=True)
class EngineStatus:
    """Where an engine is.

    Attributes:
        stage, round: of the next step, or of the last one when all is done.
        num_rounds: of stages 1 and 2.
        next_step: its name; None when all is done.
        next_does: the same in words.
        waits_for_people: whether it is people who do it.
        queue: what they have before them.
        model_id: of the current model; None before the first step.
        unused_photos: that no round has had.
        rounds: the figures so far.
    """

    stage: Stage
    round: int
    num_rounds: int
    next_step: str | None
    next_does: str
    waits_for_people: bool
    queue: Queue | None
    model_id: str | None
    unused_photos: int
    rounds: tuple[RoundSummary, ...]


def engine_status(context: EngineContext, planned: Step | None) -> EngineStatus:
    """Return where the engine is; `planned` is its next step."""
    at: Step | StepRecord = planned or context.records[-1]
    is_waiting = planned is not None and planned.kind is StepKind.ANNOTATE
    current = read_current_model(context.folder)
    return EngineStatus(
        stage=at.stage,
        round=at.round,
        num_rounds=context.plan.num_rounds,
        next_step=None if planned is None else planned.name,
        next_does="nothing is left" if planned is None else _NEXT[planned.kind],
        waits_for_people=is_waiting,
        queue=_queue(context, at.round) if is_waiting else None,
        model_id=None if current is None else current.model_id,
        unused_photos=len(context.unused_photos()),
        rounds=summarize_rounds(context.records),
    )


def summarize_rounds(records: tuple[StepRecord, ...]) -> tuple[RoundSummary, ...]:
    """Return the figures of each round that has some."""
    return tuple(_summaries(records))


def _summaries(records: tuple[StepRecord, ...]) -> Iterator[RoundSummary]:
    for number in sorted({record.round for record in records}):
        steps = {record.kind: record for record in records if record.round == number}
        figures = {kind: record.figures for kind, record in steps.items()}
        people = figures.get(StepKind.ANNOTATE, {})
        scores = figures.get(StepKind.START, figures.get(StepKind.EVALUATE, {}))
        automatic = figures.get(StepKind.AUTOMATIC, {})
        made = steps.get(StepKind.START, steps.get(StepKind.TRAIN))
        yield RoundSummary(
            round=number,
            stage=next(iter(steps.values())).stage,
            **{
                name: people.get(name)
                for name in (
                    "images",
                    "masks",
                    "masks_per_image",
                    "seconds_per_mask",
                    "clicks_per_mask",
                    "prefilled",
                    "prefill_precision",
                )
            },
            **{name: scores.get(name) for name in ("score", "score_low", "score_high", "change")},
            change_low=scores.get("low"),
            change_high=scores.get("high"),
            model_id=None if made is None else made.outputs["model_id"],
            is_promoted=figures.get(StepKind.PROMOTE, {}).get("is_promoted"),
            photos_masked=automatic.get("images"),
            automatic_masks=automatic.get("masks"),
        )


def _queue(context: EngineContext, round_number: int) -> Queue:
    project_id = context.record(StepKind.QUEUE, round_number).outputs["project_id"]
    with context.database.reading() as session:
        progress = get_progress(session, project_id)
    return Queue(
        project_id=project_id,
        waiting=progress.waiting,
        submitted=progress.submitted,
        accepted=progress.accepted,
        rejected=progress.rejected,
    )
