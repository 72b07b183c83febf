"""An engine on drawn shapes with a tiny model, and people who draw the true masks."""

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from anymask.core.rle import Rle
from anymask.dataset.coco_folder import read_coco_folder
from anymask.dataset.photo_folder import find_photos
from anymask.engine.cycle import DataEngine
from anymask.engine.plan import EnginePlan, HeldOut, QueueOptions, RoundTraining
from anymask.engine.store import accounts, annotations, queue
from anymask.engine.store.annotations import MaskDraft
from anymask.engine.store.events import Action, log_actions
from anymask.engine.store.tables import Image, Role, User
from anymask.model.checkpoints import build_sam, save_sam
from anymask.model.presets import preset

SECONDS_PER_MASK = 5.0


class Clock:
    """Seconds that pass when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def save_tiny(file: Path, seed: int = 7) -> Path:
    """Write a tiny model with random weights."""
    save_sam(build_sam(preset("tiny"), seed=seed), file)
    return file


def tiny_plan(model: Path, held_out: Path, **more: Any) -> EnginePlan:
    """Return a plan whose rounds take seconds."""
    training = RoundTraining(
        preset="tiny", settings=("stages=6:64:2", "checkpoint_every=2", "validate_every=6")
    )
    values: dict[str, Any] = {
        "model": str(model),
        "manual_rounds": 2,
        "semi_automatic_rounds": 0,
        "images_per_round": 2,
        "training": training,
        "queue": QueueOptions(points_per_side=2, candidates_per_image=2),
        "held_out": HeldOut(folders=(str(held_out),), max_images=2, max_masks_per_image=1),
        "has_automatic_stage": False,
    }
    return EnginePlan(**(values | more))


def begin(
    folder: Path, photos: Path, plan: EnginePlan, clock: Callable[[], float] | None = None
) -> DataEngine:
    """Return an engine with the photos, and an annotator called ada."""
    DataEngine.begin(folder, plan)
    engine = DataEngine.open(folder, clock=clock or Clock())
    engine.add_photos(find_photos([photos]))
    with engine.database.writing() as session:
        if accounts.find_user(session, "ada") is None:
            accounts.add_user(session, "ada", accounts.NO_PASSWORD, Role.ANNOTATOR, 0.0)
    return engine


def annotate(engine: DataEngine, truth: Path, clock: Clock | None = None) -> int:
    """Draw the true masks on the round's images and hand them in, return how many masks."""
    project_id = engine.project_of_people()
    assert project_id is not None
    masks = {image.path.name: [m.rle for m in image.masks] for image in read_coco_folder(truth)}
    with engine.database.reading() as session:
        ada = accounts.find_user(session, "ada")
    assert ada is not None
    count = 0
    while True:
        with engine.database.writing() as session:
            image = queue.lease_next(session, project_id, ada, engine.database.now(), 60.0)
        if image is None:
            return count
        count += _annotate_image(engine, image, ada, masks[image.name], clock)


def _annotate_image(
    engine: DataEngine, image: Image, ada: User, masks: list[Rle], clock: Clock | None
) -> int:
    model_id = engine.context.current_model.model_id
    with engine.database.writing() as session:
        log_actions(session, image.id, ada, [Action(kind="open")], engine.database.now())
        for position, rle in enumerate(masks):
            name = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{image.digest} {position}"))
            draft = MaskDraft(
                segmentation=rle,
                position=position,
                model_id=model_id,
                prompts={"point_coords": [[1, 2]], "point_labels": [1]},
            )
            if clock is not None:
                clock.now += SECONDS_PER_MASK
            now = engine.database.now()
            annotations.save(session, name, image.id, 0, draft, ada, now)
            log_actions(session, image.id, ada, [Action(kind="click", annotation_id=name)], now)
        queue.submit(session, image.id, ada, engine.database.now())
    return len(masks)
