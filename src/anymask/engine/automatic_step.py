"""Stage 3 as a step of the engine: the photos that no round had become a data set."""

import dataclasses

from anymask.core.errors import InvalidInputError
from anymask.core.files import write_bytes
from anymask.engine.automatic.config import AutomaticConfig
from anymask.engine.automatic.executors.local import LocalExecutor
from anymask.engine.automatic.fully_automatic import run_automatic
from anymask.engine.context import AUTOMATIC_FOLDER, EngineContext, Outcome
from anymask.engine.plan import EnginePlan
from anymask.engine.steps import Step
from anymask.engine.store.blobs import image_blob
from anymask.training.settings import with_settings

_LIST = "photos.txt"


def automatic_config(plan: EnginePlan) -> AutomaticConfig:
    """Return the plan's settings of the automatic stage.

    Raises:
        InvalidInputError, UnknownNameError: a setting is unknown or not allowed.
    """
    return with_settings(AutomaticConfig(device=plan.device), plan.automatic)


def make_dataset(context: EngineContext, step: Step) -> Outcome:
    """The current model masks the photos that are left; shards and manifest are written."""
    photos = context.unused_photos()
    if not photos:
        raise InvalidInputError(
            "photos must be left for the automatic stage, got none. Add some: anymask engine init "
            "FOLDER --photos DIR."
        )
    current = context.current_model
    config = dataclasses.replace(automatic_config(context.plan), model=current.model)
    out = context.folder / AUTOMATIC_FOLDER
    out.mkdir(exist_ok=True)
    names = (context.blobs.place(image_blob(file.digest)) for file in photos)
    write_bytes(out / _LIST, "".join(f"{name}\n" for name in names).encode())
    summary = run_automatic([out / _LIST], out, config, LocalExecutor())
    figures = {
        "photos": summary.num_photos,
        "images": summary.num_images,
        "masks": summary.num_masks,
        "masks_per_image": summary.num_masks / max(1, summary.num_images),
        "set_aside": summary.num_set_aside,
    }
    return Outcome(
        inputs={"model_id": current.model_id},
        outputs={"release": summary.release.relative_to(context.folder).as_posix()},
        figures=figures,
    )
