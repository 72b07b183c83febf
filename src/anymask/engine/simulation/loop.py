"""The whole loop of Sec. 4 with simulated people, for several seeds: does it close?

Nothing here is a second engine: `DataEngine` does its steps, and where it waits for people the
crowd works. Every part is a file once it is done, so that a killed simulation goes on.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from anymask.core.errors import InvalidInputError
from anymask.dataset.photo_folder import Photo
from anymask.engine.automatic_step import automatic_config
from anymask.engine.cycle import DataEngine
from anymask.engine.held_out import (
    ModelScores,
    load_scores,
    read_held_out,
    save_scores,
    score_model,
)
from anymask.engine.plan import EnginePlan, HeldOut
from anymask.engine.retraining import retrain
from anymask.engine.simulation.config import SimulationConfig
from anymask.engine.simulation.crowd import SimulatedClock, SimulatedCrowd
from anymask.engine.simulation.measures import kept_measures, measure_model
from anymask.engine.simulation.photos import (
    KnownPhoto,
    is_held_out,
    read_known_photos,
    set_folders,
    write_sets,
)
from anymask.engine.simulation.results import RoundResult, SeedResult
from anymask.engine.steps import StepKind, StepRecord
from anymask.inference.loading import load_predictor

Tell = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What all seeds of a simulation share.

    Attributes:
        config: what is simulated.
        out: the folder of the simulation.
        start_data: sets that the first model learned from.
        model: the first model's file.
        loop_photos: photos that seeds draw from.
        held_out_photos: photos that models are compared on.
        held_out: the same as a folder of sets.
        unseen: the evaluation sets.
    """

    config: SimulationConfig
    out: Path
    start_data: tuple[Path, ...]
    model: Path
    loop_photos: tuple[KnownPhoto, ...]
    held_out_photos: tuple[KnownPhoto, ...]
    held_out: Path
    unseen: HeldOut | None


def prepare(
    config: SimulationConfig, train: Path, evaluation: Path | None, out: Path, tell: Tell
) -> Ground:
    """Return what all seeds share: photos told apart, and the first model, trained.

    Args:
        config: what is simulated.
        train: folder of labelled sets.
        evaluation: folder of unseen labelled sets, if any.
        out: for everything that is written.
        tell: gets a line about what is done.

    Raises:
        InvalidInputError: a set is missing or damaged, or there are too few photos.
        OutputError: no room.
    """
    start_data = tuple(set_folders(train, config.start_sets).values())
    photos = read_known_photos(set_folders(train, config.loop_sets))
    apart = [photo for photo in photos if is_held_out(photo, config.held_out_fraction)]
    rest = [photo for photo in photos if not is_held_out(photo, config.held_out_fraction)]
    needed = config.images_per_round * (config.manual_rounds + config.semi_automatic_rounds)
    if min(len(rest), config.pool_photos) <= needed or len(apart) < 2:
        raise InvalidInputError(
            f"sets of the loop must have more than {needed} photos besides held-out ones, got "
            f"{len(rest)} of which {config.pool_photos} are drawn. Use smaller rounds."
        )
    unseen = None
    if evaluation is not None:
        folders = set_folders(evaluation, config.eval_sets)
        unseen = HeldOut(
            folders=tuple(map(str, folders.values())),
            max_images=config.eval_images,
            max_masks_per_image=config.masks_per_image,
        )
    held_out = write_sets(apart, out / "held_out")
    tell("training of the first model")
    run = retrain(config.start_training, start_data, "", out / "start", device="cpu", seed=0)
    return Ground(
        config=config,
        out=out,
        start_data=start_data,
        model=run.weights_path,
        loop_photos=tuple(rest),
        held_out_photos=tuple(apart),
        held_out=held_out,
        unseen=unseen,
    )


def run_seed(ground: Ground, seed: int, tell: Tell) -> SeedResult:
    """Return what the loop gives with this seed; what was done before is not done again.

    Raises:
        AnymaskError: as of the engine's steps.
    """
    config = ground.config
    folder = ground.out / f"seed-{seed}"
    pool = draw_photos(ground.loop_photos, config.pool_photos, seed)
    first, held_out = str(ground.model), str(ground.held_out)
    # What the automatic stage finds decides whether there is anything to learn from.
    found = _run(folder, config.plan(first, held_out, seed, has_final=False), pool, config, tell)
    if config.final_training is not None and found.masks >= found.images:
        _run(folder, config.plan(first, held_out, seed), pool, config, tell)
    tell(f"seed {seed}: measuring")
    engine = DataEngine.open(folder, clock=SimulatedClock())
    try:
        return _result(ground, engine, seed)
    finally:
        engine.close()


@dataclass(frozen=True, kw_only=True)
class _Found:
    """What the automatic stage made."""

    images: int
    masks: int


def _run(
    folder: Path,
    plan: EnginePlan,
    pool: Sequence[KnownPhoto],
    config: SimulationConfig,
    tell: Tell,
) -> _Found:
    """Do what is left of the plan, with people where they are needed."""
    clock = SimulatedClock()
    DataEngine.begin(folder, plan)
    engine = DataEngine.open(folder, clock=clock)
    try:
        clock.now = max([clock.now, *(record.started_at for record in engine.context.records)])
        engine.add_photos([Photo(path=p.image.path, name=p.image.path.name) for p in pool])
        truth = {photo.digest: photo.truth for photo in pool}
        crowd = SimulatedCrowd(
            truth, clock, num_people=config.num_people, habits=config.habits, seed=plan.seed
        )
        while engine.planned_step() is not None:
            engine.run(on_step=lambda record: tell(f"seed {plan.seed}: {_line(record)}"))
            crowd.annotate_round(engine)
        figures = next(engine.context.of_kind(StepKind.AUTOMATIC)).figures
        return _Found(images=figures["images"], masks=figures["masks"])
    finally:
        engine.close()


def control_scores(ground: Ground, seed: int, tell: Tell) -> ModelScores | None:
    """Return the scores on unseen sets of as much more training without annotations.

    The same trainings in the same order, but on the data of the first model: what the loop gains
    beyond this it owes to what was annotated.
    """
    if ground.unseen is None:
        return None
    config, model = ground.config, str(ground.model)
    plan = config.plan(model, str(ground.held_out), seed)
    last = plan.num_rounds + (plan.final_training is not None)
    for number in range(1, last + 1):
        tell(f"seed {seed}: training {number} of the control")
        output = ground.out / f"seed-{seed}" / "control" / f"r{number:02d}"
        run = retrain(
            plan.training_of(number),
            ground.start_data,
            model,
            output,
            device="cpu",
            seed=seed + number,
        )
        model = str(run.weights_path)
    return _unseen_scores(ground, model)


def draw_photos(photos: Sequence[KnownPhoto], count: int, seed: int) -> list[KnownPhoto]:
    """Return so many of the photos, in their order, drawn by the seed."""
    order = np.random.default_rng([seed, 1]).permutation(len(photos))[:count]
    return [photos[i] for i in sorted(order.tolist())]


def _result(ground: Ground, engine: DataEngine, seed: int) -> SeedResult:
    context = engine.context
    start = context.record(StepKind.START, 0)
    model = context.model_file(start.outputs["model"])
    rounds = [_round(ground, engine, 0, model, {"start": start})]
    last = max(record.round for record in context.records)
    for number in range(1, last + 1):
        records = {r.kind.value: r for r in context.records if r.round == number}
        promoted = records.get("promote")
        if promoted is not None and promoted.figures["is_promoted"]:
            model = context.model_file(records["train"].outputs["model"])
        if promoted is not None:
            rounds.append(_round(ground, engine, number, model, records))
    automatic = next(context.of_kind(StepKind.AUTOMATIC), None)
    figures = automatic.figures if automatic else {}
    return SeedResult(
        seed=seed,
        rounds=tuple(rounds),
        before=_unseen_scores(ground, str(ground.model)),
        after=_unseen_scores(ground, model),
        control=None,
        automatic_images=figures.get("images", 0),
        automatic_masks=figures.get("masks", 0),
        step_seconds={
            r.name: r.seconds for r in context.records if r.kind is not StepKind.ANNOTATE
        },
    )


def _round(
    ground: Ground, engine: DataEngine, number: int, model: str, records: Mapping[str, StepRecord]
) -> RoundResult:
    """The figures of a round, with `model` current at its end."""
    config = ground.config
    predictor = load_predictor(model)
    file = engine.folder / "measures" / f"{predictor.model_id}.json"
    file.parent.mkdir(exist_ok=True)
    photos = draw_photos(ground.held_out_photos, config.measured_photos, 0)
    measures = kept_measures(
        file,
        lambda: measure_model(
            predictor,
            photos,
            points_per_side=config.points_per_side,
            habits=config.habits,
            thresholds=automatic_config(engine.plan).generator,
        ),
    )
    scores = load_scores(engine.folder / "engine/scores" / f"{predictor.model_id}.npz")
    result = RoundResult(
        number=number,
        stage="start" if number == 0 else next(iter(records.values())).stage.value,
        score=scores.mean,
        score_by_prompt=scores.by_prompt(),
        measures=measures,
    )
    if "promote" in records:
        result = replace(result, is_promoted=records["promote"].figures["is_promoted"])
    if "annotate" in records:
        figures = records["annotate"].figures
        result = replace(
            result,
            **{
                name: figures[name]
                for name in (
                    "seconds_per_mask",
                    "clicks_per_mask",
                    "brushed_share",
                    "masks_per_image",
                    "prefilled",
                    "prefill_precision",
                )
            },
        )
    return result


def _unseen_scores(ground: Ground, model: str) -> ModelScores | None:
    """The model on the evaluation sets, measured once and kept."""
    if ground.unseen is None:
        return None
    predictor = load_predictor(model, "cpu", "float32")
    file = ground.out / "unseen" / f"{predictor.model_id}.npz"
    if not file.is_file():
        save_scores(score_model(predictor, read_held_out(ground.unseen)), file)
    return load_scores(file)


def _line(record: StepRecord) -> str:
    shown = {k: round(v, 3) for k, v in record.figures.items() if isinstance(v, int | float)}
    figures = ", ".join(f"{name} {value}" for name, value in shown.items())
    return f"{record.name}, {record.seconds:.0f} s: {figures}"
