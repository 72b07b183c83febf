"""The rating study (App. E, G): people say from 1 to 10 how good a mask is, its source hidden."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePosixPath

from anymask.core.annotated import AnnotatedMask
from anymask.core.errors import InvalidInputError
from anymask.core.image_io import MAX_PIXELS, read_image, resize_longest_side
from anymask.core.mask_scaling import scale_mask_down
from anymask.core.rle import Rle
from anymask.dataset.formats.pictures import Picture
from anymask.dataset.release import encode_release
from anymask.engine.quality.rating_sources import RatedObject
from anymask.engine.store import projects
from anymask.engine.store.blobs import Blobs, image_blob
from anymask.engine.store.database import Database
from anymask.engine.store.image_files import check_image
from anymask.engine.store.ratings import RatingJobDraft, add_jobs

LONGEST_SIDE = 2000
"""App. E: larger images are shown at this size."""
GUIDELINE = (
    "1: no mask of anything. 2 to 4: huge errors. 5 and 6: mostly sensible, with clear errors. "
    "7 to 9: minor errors. 10: no error to be seen. Ask: is it a valid object? Is its edge clean? "
    "Does it match the marked point, if there is one? If it could be several objects, any will do."
)


def begin_study(
    database: Database,
    blobs: Blobs,
    pictures: Sequence[Picture],
    objects: Sequence[RatedObject],
    *,
    name: str,
    raters: int = 1,
    seed: int = 0,
    has_points: bool = False,
    on_image: Callable[[], object] = lambda: None,
) -> int:
    """Put objects' masks into a studio as jobs, shuffled over sources; return the project.

    Each image is one transaction: what a stopped call left out, the next one adds.

    Args:
        database: the studio's.
        blobs: its files.
        pictures: with the images of the objects, told apart by the stem of their names.
        objects: to be rated.
        name: of the project; made if it is not there.
        raters: how many people are to rate each mask.
        seed: of the order.
        has_points: show the points that asked for an object.
        on_image: called after each.

    Raises:
        InvalidInputError: a picture is not there, or has another size than its masks; or there is
            no rater.
        ImageReadError: a picture cannot be read.
    """
    if raters < 1:
        raise InvalidInputError(f"raters must be at least 1, got {raters}. Correct it.")
    paths = {PurePosixPath(picture.name).stem: picture.path for picture in pictures}
    with database.writing() as session:
        known = {project.name: project for project in projects.list_projects(session)}
        project = known.get(name) or projects.add_project(session, name, GUIDELINE, database.now())
        project_id = project.id
    by_stem: dict[str, list[RatedObject]] = {}
    for one in objects:
        by_stem.setdefault(one.stem, []).append(one)
    for stem, found in sorted(by_stem.items()):
        path = paths.get(stem)
        if path is None:
            raise InvalidInputError(f"pictures must have {stem}, got none of that name. Add it.")
        size, data = _shown(path.read_bytes())
        file = check_image(data, path.name, MAX_PIXELS)
        blobs.write(image_blob(file.digest), data)
        with database.writing() as session:
            image, _ = projects.add_image(session, project_id, file, database.now())
            drafts = [
                draft
                for one in found
                for draft in _drafts(one, image.id, size, (file.height, file.width), has_points)
            ]
            add_jobs(session, project_id, drafts, raters=raters, seed=seed)
        on_image()
    return project_id


def _shown(data: bytes) -> tuple[tuple[int, int], bytes]:
    """The picture's size (H, W), and its file as it is shown."""
    pixels = read_image(data)
    size = pixels.shape[0], pixels.shape[1]
    if max(size) <= LONGEST_SIDE:
        return size, data
    return size, encode_release(resize_longest_side(pixels, LONGEST_SIDE))


def _drafts(
    one: RatedObject,
    image_id: int,
    size: tuple[int, int],
    shown: tuple[int, int],
    has_points: bool,
) -> list[RatingJobDraft]:
    (height, width), (shown_height, shown_width) = size, shown
    points = [[x * shown_width / width, y * shown_height / height] for x, y in one.points]
    return [
        RatingJobDraft(
            image_id=image_id,
            object_key=one.key,
            source=source,
            segmentation=mask,
            prompt={"points": points} if has_points and points else {},
        )
        for source, mask in _masks(one.masks, size, shown).items()
        if mask.area
    ]


def _masks(
    masks: Mapping[str, AnnotatedMask], size: tuple[int, int], shown: tuple[int, int]
) -> dict[str, Rle]:
    for source, mask in masks.items():
        if mask.segmentation.size != size:
            raise InvalidInputError(
                f"masks of {source} must have their picture's size (H, W) {size}, got "
                f"{mask.segmentation.size}. Use the files that they were made for."
            )
    return {source: scale_mask_down(mask.segmentation, shown) for source, mask in masks.items()}
