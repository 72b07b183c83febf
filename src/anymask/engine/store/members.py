"""Who may see which project: its members, and all admins."""

from collections.abc import Collection

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from anymask.core.errors import NotFoundError
from anymask.engine.store.projects import get_project
from anymask.engine.store.tables import Image, Membership, User


def check_project_visible(session: Session, project_id: int, user: User) -> None:
    """Raise NotFoundError if the project does not exist, or not for this user."""
    if not user.sees_all_projects and session.get(Membership, (project_id, user.id)) is None:
        raise NotFoundError(f"project must exist, got {project_id}. List them.")


def check_image_visible(session: Session, image_id: int, user: User) -> None:
    """Raise NotFoundError if the image does not exist, or its project not for this user."""
    if user.sees_all_projects:
        return
    is_visible = (
        select(Membership.user_id)
        .join(Image, Image.project_id == Membership.project_id)
        .where(Image.id == image_id, Membership.user_id == user.id)
    )
    if session.scalar(is_visible) is None:
        raise NotFoundError(f"image must exist, got {image_id}. List the project's images.")


def list_members(session: Session, project_id: int) -> list[User]:
    """Return the members of a project by name; NotFoundError if there is no such project."""
    get_project(session, project_id)
    query = select(User).join(Membership).where(Membership.project_id == project_id)
    return list(session.scalars(query.order_by(User.name)))


def add_members(session: Session, project_id: int, user_ids: Collection[int]) -> None:
    """Let these accounts see the project; those who do already stay.

    Raises:
        NotFoundError: there is no such project or account.
    """
    get_project(session, project_id)
    known = set(session.scalars(select(User.id).where(User.id.in_(user_ids))))
    for user_id in dict.fromkeys(user_ids):
        if user_id not in known:
            raise NotFoundError(f"user must exist, got {user_id}. List them with GET /api/users.")
        if session.get(Membership, (project_id, user_id)) is None:
            session.add(Membership(project_id=project_id, user_id=user_id))
    session.flush()


def remove_member(session: Session, project_id: int, user_id: int) -> None:
    """Let the account see the project no more; what it works on there is free for others."""
    get_project(session, project_id)
    session.execute(
        delete(Membership).where(Membership.project_id == project_id, Membership.user_id == user_id)
    )
    session.execute(
        update(Image)
        .where(Image.project_id == project_id, Image.lease_user_id == user_id)
        .values(lease_user_id=None, lease_until=0.0)
    )
