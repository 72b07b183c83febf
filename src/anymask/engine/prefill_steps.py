"""Stage 2 as steps of the engine: the finder of confident masks, and what it puts in."""

import dataclasses
from pathlib import Path

from anymask.engine.context import EngineContext, Outcome
from anymask.engine.embedding_files import load_studio_predictor
from anymask.engine.plan import EnginePlan
from anymask.engine.prefill import prefill as put_in
from anymask.engine.semi_automatic import (
    SemiAutomaticConfig,
    open_finder,
    read_finder,
    train_finder,
)
from anymask.engine.steps import Step, StepKind
from anymask.engine.store.projects import get_progress, list_images
from anymask.engine.versions import open_version
from anymask.training.settings import with_settings

FINDERS_FOLDER = "engine/finders"


def semi_automatic_config(plan: EnginePlan) -> SemiAutomaticConfig:
    """Return the plan's settings of what puts masks in.

    Raises:
        InvalidInputError, UnknownNameError: a setting is unknown or not allowed.
    """
    return with_settings(SemiAutomaticConfig(), plan.detector)


def train_detector(context: EngineContext, step: Step) -> Outcome:
    """The finder learns from all masks so far, and is calibrated on photos that it did not see."""
    current, versions = context.current_model, context.all_versions()
    data = [open_version(context.version_folder(version)).folder for version in versions]
    config = semi_automatic_config(context.plan)
    folder = _finder_folder(context, step.round)
    finder = train_finder(data, current.model, folder, config, device=context.plan.device)
    return Outcome(
        inputs={"model_id": current.model_id, "versions": versions},
        outputs={"finder": folder.relative_to(context.folder).as_posix()},
        figures=dataclasses.asdict(finder.calibration),
    )


def prefill(context: EngineContext, step: Step) -> Outcome:
    """Confident masks are put into the round's photos before people come."""
    current = context.current_model
    trained = read_finder(_finder_folder(context, step.round))
    finder = open_finder(trained, load_studio_predictor(current.model, context.plan.device))
    project_id = context.record(StepKind.QUEUE, step.round).outputs["project_id"]
    count = context.plan.images_per_round
    with context.database.reading() as session:
        images = [image.id for image, _ in list_images(session, project_id, limit=count)]
    threshold, most = trained.calibration.threshold, trained.config.max_masks_per_image
    done = put_in(context.database, context.blobs, images, finder, threshold, most)
    with context.database.reading() as session:
        masks = get_progress(session, project_id).masks  # of an earlier, killed try as well
    return Outcome(
        inputs={"model_id": current.model_id, "project_id": project_id},
        outputs={},
        figures={"images": done.images, "masks": masks, "passed_over": done.passed_over},
    )


def _finder_folder(context: EngineContext, round_number: int) -> Path:
    return context.folder / FINDERS_FOLDER / f"r{round_number:02d}"
