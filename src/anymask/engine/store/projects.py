"""Projects and their images: adding, listing, and how far they have come."""

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from anymask.core.errors import ConflictError, InvalidInputError, NotFoundError
from anymask.engine.store.tables import Annotation, Image, ImageState, Membership, Project, User

MAX_ANNOTATORS_PER_IMAGE = 10


@dataclass(frozen=True, kw_only=True)
class ImageFile:
    """An image's file as it was checked: its digest (SHA-256, hex), type and upright size."""

    digest: str
    name: str
    media_type: str
    width: int
    height: int


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How many of a project's images are in each state, and how many masks they have.

    An image that several people annotate counts once for each.
    """

    waiting: int
    submitted: int
    accepted: int
    rejected: int
    masks: int


def add_project(
    session: Session, name: str, guideline: str, now: float, annotators_per_image: int = 1
) -> Project:
    """Return a new project; ConflictError if the name is taken."""
    if session.scalar(select(Project.id).where(Project.name == name)) is not None:
        raise ConflictError(
            f"name must be free, got {name!r}, which is taken. Choose another.", "name"
        )
    project = Project(
        name=name, guideline=guideline, created_at=now, annotators_per_image=annotators_per_image
    )
    session.add(project)
    session.flush()
    return project


def list_projects(session: Session, user: User | None = None) -> list[Project]:
    """Return the projects that this user may see, or all without one, oldest first."""
    query = select(Project).order_by(Project.id)
    if user is not None and not user.sees_all_projects:
        query = query.join(Membership).where(Membership.user_id == user.id)
    return list(session.scalars(query))


def get_project(session: Session, project_id: int, *, lock: bool = False) -> Project:
    """Return the project, for a change if `lock`; NotFoundError if there is none."""
    project = session.get(Project, project_id, with_for_update=lock)
    if project is None:
        raise NotFoundError(f"project must exist, got {project_id}. List them.")
    return project


def change_project(
    session: Session,
    project_id: int,
    guideline: str | None = None,
    annotators_per_image: int | None = None,
) -> Project:
    """Return the project after a change; more annotators are asked for images that it has, too.

    Raises:
        NotFoundError: there is no such project.
        InvalidInputError: fewer annotators than before, whose work would belong nowhere.
    """
    project = get_project(session, project_id, lock=True)
    if guideline is not None:
        project.guideline = guideline
    if annotators_per_image is not None:
        if annotators_per_image < project.annotators_per_image:
            raise InvalidInputError(
                f"annotators_per_image must be at least {project.annotators_per_image} as before, "
                f"got {annotators_per_image}. Make a new project for fewer."
            )
        firsts = select(Image).where(Image.project_id == project_id, Image.copy_number == 0)
        for image in session.scalars(firsts.order_by(Image.id)).all():
            for copy in range(project.annotators_per_image, annotators_per_image):
                session.add(_new_image(project_id, image, copy, image.created_at))
        project.annotators_per_image = annotators_per_image
    session.flush()
    return project


def add_image(session: Session, project_id: int, file: ImageFile, now: float) -> tuple[Image, bool]:
    """Return the project's image with that content, and whether it is new.

    Where several people annotate an image, there is a row for each; the first is returned.
    """
    project = get_project(session, project_id)
    known = session.scalar(
        select(Image).where(
            Image.project_id == project_id, Image.digest == file.digest, Image.copy_number == 0
        )
    )
    if known is not None:
        return known, False
    images = [
        _new_image(project_id, file, copy, now) for copy in range(project.annotators_per_image)
    ]
    session.add_all(images)
    session.flush()
    return images[0], True


def get_image(session: Session, image_id: int, *, lock: bool = False) -> Image:
    """Return the image, for a change if `lock`; NotFoundError if there is none."""
    image = session.get(Image, image_id, with_for_update=lock, populate_existing=lock)
    if image is None:
        raise NotFoundError(f"image must exist, got {image_id}. List the project's images.")
    return image


def list_images(
    session: Session,
    project_id: int,
    *,
    state: ImageState | None = None,
    name: str = "",
    after: int = 0,
    limit: int = 100,
) -> list[tuple[Image, int]]:
    """Return images and their numbers of masks, in the order in which they were added.

    Args:
        session: reading.
        project_id: of which project.
        state: only those in it; None for all.
        name: only those whose name has this text in it.
        after: only those with a higher id, for the next page.
        limit: at most so many.
    """
    get_project(session, project_id)
    masks = (
        select(func.count())
        .where(Annotation.image_id == Image.id, ~Annotation.is_deleted)
        .scalar_subquery()
    )
    query = (
        select(Image, masks)
        .where(Image.project_id == project_id, Image.id > after)
        .order_by(Image.id)
        .limit(limit)
    )
    if state is not None:
        query = query.where(Image.state == state)
    if name:
        query = query.where(Image.name.icontains(name, autoescape=True))
    return [(image, count) for image, count in session.execute(query)]


def get_progress(session: Session, project_id: int) -> Progress:
    """Return how far a project has come."""
    get_project(session, project_id)
    counts = session.execute(
        select(Image.state, func.count())
        .where(Image.project_id == project_id)
        .group_by(Image.state)
    )
    of_state = {row[0]: int(row[1]) for row in counts}
    masks = session.scalar(
        select(func.count())
        .select_from(Annotation)
        .join(Image, Image.id == Annotation.image_id)
        .where(Image.project_id == project_id, ~Annotation.is_deleted)
    )
    return Progress(
        waiting=of_state.get(ImageState.WAITING, 0),
        submitted=of_state.get(ImageState.SUBMITTED, 0),
        accepted=of_state.get(ImageState.ACCEPTED, 0),
        rejected=of_state.get(ImageState.REJECTED, 0),
        masks=masks or 0,
    )


def _new_image(project_id: int, file: ImageFile | Image, copy: int, now: float) -> Image:
    return Image(
        project_id=project_id,
        digest=file.digest,
        copy_number=copy,
        name=file.name,
        media_type=file.media_type,
        width=file.width,
        height=file.height,
        state=ImageState.WAITING,
        lease_until=0.0,
        created_at=now,
    )
