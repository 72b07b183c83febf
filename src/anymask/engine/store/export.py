"""A project's images with their masks, one after another, for annotation files of any format."""

from collections.abc import Iterator
from pathlib import PurePosixPath

from sqlalchemy import select
from sqlalchemy.orm import Session

from anymask.core.annotated import AnnotatedImage, AnnotatedMask
from anymask.core.records import ImageRecord
from anymask.core.rle import Rle
from anymask.engine.store.annotations import list_annotations
from anymask.engine.store.projects import get_project
from anymask.engine.store.quality_tables import AuditedMask
from anymask.engine.store.tables import Annotation, Image, ImageState

_PAGE = 500
_SUFFIXES = {
    "image/jpeg": (".jpg", ".jpeg"),
    "image/png": (".png",),
    "image/webp": (".webp",),
    "image/gif": (".gif",),
    "image/bmp": (".bmp",),
}


def annotated_images(
    session: Session, project_id: int, state: ImageState | None = None
) -> Iterator[tuple[Image, AnnotatedImage]]:
    """Yield the images in the order in which they were added, with their masks; a page in memory.

    Files in an export are named after images: a name that was there before, or a further copy of a
    picture, gets the image's id, and a name without its type's suffix gets that.

    Args:
        session: reading.
        project_id: of which project.
        state: only images in it; None for all.

    Raises:
        NotFoundError: there is no such project.
    """
    get_project(session, project_id)
    taken: set[str] = set()
    for image in _images(session, project_id, state):
        record = ImageRecord(
            image_id=image.id,
            width=image.width,
            height=image.height,
            file_name=_file_name(image, taken),
        )
        masks = tuple(_mask(image, row) for row in list_annotations(session, image.id))
        yield image, AnnotatedImage(image=record, masks=masks)


def annotation_rle(image: Image, mask: Annotation | AuditedMask) -> Rle:
    """Return a stored mask's run lengths."""
    return Rle.from_coco({"size": [image.height, image.width], "counts": mask.counts})


def _images(session: Session, project_id: int, state: ImageState | None) -> Iterator[Image]:
    query = select(Image).where(Image.project_id == project_id).order_by(Image.id).limit(_PAGE)
    if state is not None:
        query = query.where(Image.state == state)
    last = 0
    while page := session.scalars(query.where(Image.id > last)).all():
        yield from page
        last = page[-1].id


def _file_name(image: Image, taken: set[str]) -> str:
    path = PurePosixPath(image.name)
    if path.suffix.lower() not in _SUFFIXES[image.media_type]:
        path = PurePosixPath(f"{image.name}{_SUFFIXES[image.media_type][0]}")
    # By the stem, as annotation files have it; file systems may not tell cases apart.
    if path.stem.lower() in taken:
        path = path.with_stem(f"{path.stem}_{image.id}")
    taken.add(path.stem.lower())
    return path.name


def _mask(image: Image, row: Annotation) -> AnnotatedMask:
    points = row.prompts.get("point_coords") or []
    return AnnotatedMask(
        segmentation=annotation_rle(image, row),
        name=row.name,
        is_crowd=bool(row.prompts.get("is_crowd", False)),
        predicted_iou=row.predicted_iou,
        point_coords=tuple((float(x), float(y)) for x, y in points),
        id=row.id,
    )
