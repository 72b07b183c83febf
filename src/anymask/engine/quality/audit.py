"""The audit of a data set (Sec. 5, "Mask quality"): people correct all masks of a random sample.

How much they change is how far the masks were off. The paper drew 500 images with about 50k masks.
"""

import heapq
from collections.abc import Callable, Iterable
from pathlib import Path

from anymask.core.annotated import AnnotatedMask
from anymask.core.errors import InvalidInputError
from anymask.core.image_io import MAX_PIXELS
from anymask.dataset.place_random import unit_hash
from anymask.dataset.recorded import RecordedImage, iter_dataset
from anymask.engine.store import projects
from anymask.engine.store.audited import add_audited
from anymask.engine.store.blobs import Blobs, image_blob
from anymask.engine.store.database import Database
from anymask.engine.store.image_files import check_image
from anymask.engine.store.prefill import engine_account

PAPER_IMAGES = 500
GUIDELINE = (
    "Look at every mask that is there and put it right, with the model or the brush, as exactly as "
    "you can. Leave what is right as it is. Delete what is no object, add what is missing. "
    "Hand in once you have looked at all of them: a mask left unchanged counts as right."
)


def draw_sample(source: str | Path, count: int, seed: int) -> tuple[int, ...]:
    """Return the ids of `count` random images, ascending; the same for a seed, always.

    An image's chance depends on its id alone, not on where in which archive it lies.

    Args:
        source: a data set, as of `iter_dataset`.
        count: of images; all, if there are fewer.
        seed: of the sample.

    Raises:
        InvalidInputError: no data set is there, or the count is not positive.
    """
    if count < 1:
        raise InvalidInputError(f"images must be at least 1, got {count}. Correct it.")
    ids = (image.image_id for _, image, _ in iter_dataset(source))
    return tuple(sorted(heapq.nsmallest(count, ids, key=lambda id: unit_hash(f"{seed}/{id}"))))


def begin_audit(
    database: Database,
    blobs: Blobs,
    source: str | Path,
    *,
    name: str,
    image_ids: Iterable[int],
    on_image: Callable[[], object] = lambda: None,
) -> int:
    """Put the images of a sample, with their masks as they are, into a studio; return the project.

    Each image is one transaction: what a stopped call left out, the next one adds.

    Args:
        database: the studio's.
        blobs: its files.
        source: the data set.
        name: of the project; made if it is not there.
        image_ids: the sample.
        on_image: called after each.

    Raises:
        InvalidInputError: no data set is there, or something in it is damaged.
        ConflictError: the sample has masks that are new to an image people have handed in.
    """
    wanted = set(image_ids)
    with database.writing() as session:
        known = {project.name: project for project in projects.list_projects(session)}
        project = known.get(name) or projects.add_project(session, name, GUIDELINE, database.now())
        project_id = project.id
    for recorded in iter_dataset(source):
        if recorded[1].image_id in wanted:
            _add(database, blobs, project_id, recorded)
            on_image()
    return project_id


def _add(database: Database, blobs: Blobs, project_id: int, recorded: RecordedImage) -> None:
    pair, record, masks = recorded
    file = check_image(pair.image, Path(record.file_name).name, MAX_PIXELS)
    blobs.write(image_blob(file.digest), pair.image)
    drafts = [
        AnnotatedMask(
            segmentation=mask.segmentation,
            predicted_iou=_share(mask.predicted_iou),
            id=str(mask.id),
        )
        for mask in masks
    ]
    with database.writing() as session:
        now = database.now()
        image, _ = projects.add_image(session, project_id, file, now)
        add_audited(session, image.id, drafts, engine_account(session, now), now)


def _share(value: float) -> float:
    """An estimate of IoU in [0, 1]: SA-1B's own go a little beyond."""
    return min(max(value, 0.0), 1.0)
