"""What the steps of a round do. Each can be done again after a kill, with the same outcome."""

import dataclasses
import hashlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from anymask.core.errors import InvalidInputError
from anymask.core.image_io import read_image
from anymask.engine.assisted_manual import (
    choose_photos,
    is_round_done,
    open_round,
    round_figures,
)
from anymask.engine.context import DATA_FOLDER, EngineContext, Outcome
from anymask.engine.current_model import CurrentModel, write_current_model
from anymask.engine.embedding_files import (
    embedding_blob,
    load_studio_predictor,
    make_embedding,
    remove_embeddings,
)
from anymask.engine.held_out import (
    SCORES_FOLDER,
    ModelScores,
    ScoreChange,
    compare_scores,
    is_promoted,
    load_scores,
    read_held_out,
    save_scores,
    score_model,
)
from anymask.engine.retraining import retrain
from anymask.engine.steps import Stage, Step, StepKind
from anymask.engine.store.blobs import image_blob
from anymask.engine.versions import freeze, open_version
from anymask.model.presets import DEFAULT_NAME

if TYPE_CHECKING:
    from anymask.inference.predictor import Predictor


def start(context: EngineContext, step: Step) -> Outcome:
    """The plan's model becomes the current one, and is measured."""
    model = context.plan.model or DEFAULT_NAME
    predictor = _evaluator(context, model)
    current = CurrentModel(model=model, model_id=predictor.model_id)
    figures = {}
    if context.plan.held_out.folders:
        figures = _score_figures(_scores(context, current, predictor))
    write_current_model(context.folder, current)
    outputs = {"model": model, "model_id": current.model_id}
    return Outcome(inputs={}, outputs=outputs, figures=figures)


def queue(context: EngineContext, step: Step) -> Outcome:
    """The round's photos become a project of the studio."""
    options, current = context.plan.queue, context.current_model
    unused = context.unused_photos()
    if not unused:
        raise InvalidInputError(
            f"photos must be left for round {step.round}, got none. Add some: anymask engine init "
            "FOLDER --photos DIR."
        )
    predictor = None
    if options.need_fraction:
        predictor = load_studio_predictor(current.model, context.plan.device)
    photos = choose_photos(
        unused,
        context.plan.images_per_round,
        options,
        predictor,
        context.blobs,
        f"{context.plan.seed}/{step.round}",
    )
    name = f"Round {step.round}, {step.stage}"
    project_id = open_round(context.database, name, step.stage, photos)
    needs = [photo.need for photo in photos if photo.need is not None]
    return Outcome(
        inputs={"model_id": current.model_id},
        outputs={"project_id": project_id, "photos": [photo.file.digest for photo in photos]},
        figures={
            "photos": len(photos),
            "unused": len(unused) - len(photos),
            "mean_need": sum(needs) / len(needs) if needs else None,
        },
    )


def embed(context: EngineContext, step: Step) -> Outcome:
    """The round's photos are embedded by the current model; what nobody needs any more goes."""
    current = context.current_model
    predictor = load_studio_predictor(current.model, context.plan.device)
    digests = context.record(StepKind.QUEUE, step.round).outputs["photos"]
    for digest in tqdm(digests, "embed", unit="photo", disable=None, file=sys.stderr):
        name = embedding_blob(current.model_id, digest)
        if name not in context.blobs:
            pixels = read_image(context.blobs.read(image_blob(digest)))
            context.blobs.write(name, make_embedding(predictor, pixels))
    earlier = {
        record.outputs["model_id"]
        for record in context.records
        if record.kind in (StepKind.START, StepKind.PROMOTE)
    } - {current.model_id}
    queued = (d for r in context.of_kind(StepKind.QUEUE) for d in r.outputs["photos"])
    removed = remove_embeddings(context.blobs, sorted(earlier), queued)
    return Outcome(
        inputs={"model_id": current.model_id},
        outputs={},
        figures={"embedded": len(digests), "removed": removed},
    )


def annotate(context: EngineContext, step: Step) -> Outcome | None:
    """None until people are done with the round; then what they did."""
    project_id = context.record(StepKind.QUEUE, step.round).outputs["project_id"]
    needs_review = context.plan.needs_review
    if not is_round_done(context.database, project_id, needs_review=needs_review):
        return None
    figures = dataclasses.asdict(round_figures(context.database, project_id))
    return Outcome(inputs={"project_id": project_id}, outputs={}, figures=figures)


def freeze_round(context: EngineContext, step: Step) -> Outcome:
    """The round's masks become a data version."""
    project_id = context.record(StepKind.QUEUE, step.round).outputs["project_id"]
    parent = context.folder / DATA_FOLDER
    version = freeze(context.database, context.blobs, project_id, parent)
    return Outcome(
        inputs={"project_id": project_id},
        outputs={"version": version.folder.name, "digest": version.digest},
        figures={"images": version.num_images, "masks": version.num_masks},
    )


def train(context: EngineContext, step: Step) -> Outcome:
    """A new model is trained from the current one."""
    plan, current = context.plan, context.current_model
    training = plan.training_of(step.round)
    is_final = step.stage is Stage.FULLY_AUTOMATIC
    uses_all = training.data == "all" or is_final
    versions = context.all_versions() if uses_all else context.versions_since_promotion()
    opened = [open_version(context.version_folder(version)) for version in versions]
    data = [version.folder for version in opened]
    if is_final:
        data.append(context.release_folder)
    run = retrain(
        training,
        data,
        current.model,
        context.run_folder(step),
        device=plan.device,
        seed=plan.seed + step.round,
    )
    weights = run.weights_path
    model_id = _evaluator(context, str(weights)).model_id
    rows = run.read_log()
    return Outcome(
        inputs={
            "model_id": current.model_id if training.init == "current" else training.init,
            "versions": versions,
            "release": is_final,
        },
        outputs={
            "model": weights.relative_to(context.folder).as_posix(),
            "model_id": model_id,
            "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
        },
        figures={
            "steps": len(rows),
            "images": sum(row["num_images"] for row in rows),
            "masks": sum(version.num_masks for version in opened),
            "loss": rows[-1]["loss"],
        },
    )


def evaluate(context: EngineContext, step: Step) -> Outcome:
    """The new model and the current one are compared on the held-out photos."""
    current = context.current_model
    trained = context.record(StepKind.TRAIN, step.round).outputs
    inputs = {"before": current.model_id, "after": trained["model_id"]}
    if not context.plan.held_out.folders:
        return Outcome(inputs=inputs, outputs={}, figures={})
    new = CurrentModel(model=context.model_file(trained["model"]), model_id=trained["model_id"])
    before, after = _scores(context, current), _scores(context, new)
    figures = _score_figures(after) | compare_scores(before, after).to_json()
    return Outcome(inputs=inputs, outputs={}, figures=figures)


def promote(context: EngineContext, step: Step) -> Outcome:
    """The new model becomes the current one, or is refused."""
    measured = context.record(StepKind.EVALUATE, step.round)
    trained = context.record(StepKind.TRAIN, step.round).outputs
    names = [field.name for field in dataclasses.fields(ScoreChange)]
    is_better = not measured.figures or is_promoted(
        ScoreChange(**{name: measured.figures[name] for name in names}), context.plan.promotion
    )
    if is_better:
        model = context.model_file(trained["model"])
        write_current_model(context.folder, CurrentModel(model=model, model_id=trained["model_id"]))
    # Only a training that goes on needs it, and it is three times the weights.
    (context.folder / trained["model"]).with_name("checkpoint.pt").unlink(missing_ok=True)
    return Outcome(
        inputs=measured.inputs,
        outputs={"model_id": measured.inputs["after" if is_better else "before"]},
        figures={"is_promoted": is_better},
    )


def _evaluator(context: EngineContext, model: str) -> "Predictor":
    """The model in float32, so that figures do not depend on the machine."""
    from anymask.inference.loading import load_predictor

    return load_predictor(model, context.plan.device, "float32")


def _scores(
    context: EngineContext, model: CurrentModel, predictor: "Predictor | None" = None
) -> ModelScores:
    """The model's scores, measured once and kept."""
    file: Path = context.folder / SCORES_FOLDER / f"{model.model_id}.npz"
    if not file.is_file():
        predictor = predictor or _evaluator(context, model.model)
        save_scores(score_model(predictor, read_held_out(context.plan.held_out)), file)
    return load_scores(file)


def _score_figures(scores: ModelScores) -> dict[str, object]:
    low, high = scores.interval()
    return {
        "score": scores.mean,
        "score_low": low,
        "score_high": high,
        "score_by_prompt": scores.by_prompt(),
        "num_masks": len(scores.ious),
    }
