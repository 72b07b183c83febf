"""People: accounts, invitations, logged-in browsers, tokens of programs.

Secrets come here as their hashes (`anymask.server.credentials` makes both); the database never sees
one that could be used.
"""

from collections.abc import Collection

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from anymask.core.errors import ConflictError, InvalidInputError, NotFoundError
from anymask.engine.store.projects import get_project
from anymask.engine.store.tables import ApiToken, Invitation, LoginSession, Membership, Role, User

NO_PASSWORD = "!"
"""As a hash: an account that nobody can log in to."""

_MAX_NAME = 64


def add_user(session: Session, name: str, password_hash: str, role: Role, now: float) -> User:
    """Return a new account.

    Raises:
        InvalidInputError: the name is empty, too long, or has characters that cannot be seen.
        ConflictError: the name is taken.
    """
    tidy = _checked_name(name)
    if find_user(session, tidy) is not None:
        raise ConflictError(
            f"name must be free, got {tidy!r}, which is taken. Choose another.", "name"
        )
    user = User(name=tidy, password_hash=password_hash, role=role, is_active=True, created_at=now)
    session.add(user)
    session.flush()
    return user


def find_user(session: Session, name: str) -> User | None:
    """Return the account of that name; upper and lower case are the same."""
    return session.scalar(select(User).where(User.name == name.strip().lower()))


def list_users(session: Session) -> list[User]:
    """Return all accounts by name."""
    return list(session.scalars(select(User).order_by(User.name)))


def user_names(session: Session, user_ids: Collection[int]) -> dict[int, str]:
    """Return the names of these accounts by id."""
    users = session.scalars(select(User).where(User.id.in_(user_ids)))
    return {user.id: user.name for user in users}


def change_user(
    session: Session, user_id: int, role: Role | None = None, is_active: bool | None = None
) -> User:
    """Return the account after a change; one that is switched off is logged out everywhere.

    Raises:
        NotFoundError: there is no such account.
        ConflictError: nobody would be left who may administer.
    """
    # All admins are locked: of two who step down at once the second sees the first.
    session.scalars(
        select(User.id).where(User.role == Role.ADMIN).order_by(User.id).with_for_update()
    ).all()
    user = _get_user(session, user_id, lock=True)
    user.role = user.role if role is None else role
    user.is_active = user.is_active if is_active is None else is_active
    session.flush()
    if not count_admins(session):
        raise ConflictError(
            f"an active admin must be left, got a change of the last one, {user.name}. "
            "Make another admin first.",
            "role",
        )
    if not user.is_active:
        close_logins(session, user.id)
        session.execute(delete(ApiToken).where(ApiToken.user_id == user.id))
    return user


def change_password(session: Session, user_id: int, password_hash: str) -> None:
    """Set a new password and log the account out everywhere."""
    user = session.get_one(User, user_id)
    user.password_hash = password_hash
    close_logins(session, user_id)


def count_admins(session: Session) -> int:
    """Return how many active accounts may administer."""
    query = select(func.count()).where(User.role == Role.ADMIN, User.is_active)
    return session.scalar(query) or 0


def has_login(session: Session) -> bool:
    """Whether there is an account that a password opens."""
    return (
        session.scalar(select(User.id).where(User.password_hash != NO_PASSWORD).limit(1))
        is not None
    )


def invite(
    session: Session,
    secret_hash: str,
    role: Role,
    invited_by: int,
    expires_at: float,
    *,
    project_ids: Collection[int] = (),
    user_id: int | None = None,
) -> None:
    """Keep an invitation: to an account with a role, or to a new password for that user's account.

    Raises:
        NotFoundError: there is no such project or account.
    """
    for project_id in project_ids:
        get_project(session, project_id)
    if user_id is not None:
        role = _get_user(session, user_id).role
    session.add(
        Invitation(
            secret_hash=secret_hash,
            role=role,
            invited_by=invited_by,
            expires_at=expires_at,
            project_ids=list(project_ids),
            user_id=user_id,
        )
    )


def has_invitation(session: Session, secret_hash: str, now: float) -> bool:
    """Whether there is such an invitation, unused and in date."""
    query = select(Invitation).where(
        Invitation.secret_hash == secret_hash, Invitation.expires_at > now
    )
    return session.scalar(query) is not None


def accept_invitation(
    session: Session, secret_hash: str, name: str, password_hash: str, now: float
) -> User:
    """Return the account of an invitation, new or with a new password; it is used up.

    Raises:
        NotFoundError: there is no such invitation, it was used, or it ran out.
        InvalidInputError: the invitation is for an account of another name; or as of `add_user`.
        ConflictError: as of `add_user`.
    """
    # A used one is deleted: of two at once, one finds it.
    invitation = session.execute(
        delete(Invitation)
        .where(Invitation.secret_hash == secret_hash, Invitation.expires_at > now)
        .returning(Invitation.role, Invitation.user_id, Invitation.project_ids)
    ).one_or_none()
    if invitation is None:
        raise NotFoundError(
            "invitation must be unused and in date, got another one. Ask for a new one."
        )
    role, user_id, project_ids = invitation
    if user_id is None:
        user = add_user(session, name, password_hash, role, now)
        session.add_all(Membership(project_id=one, user_id=user.id) for one in set(project_ids))
        return user
    user = _get_user(session, user_id)
    if _checked_name(name) != user.name:
        raise InvalidInputError(
            f"name must be {user.name}, whose account the invitation is for, got {name[:80]!r}. "
            "Correct it."
        )
    change_password(session, user.id, password_hash)
    return user


def open_login(
    session: Session, secret_hash: str, csrf_token: str, user_id: int, expires_at: float, now: float
) -> None:
    """Keep a logged-in browser, and forget those that ran out."""
    session.execute(delete(LoginSession).where(LoginSession.expires_at <= now))
    session.add(
        LoginSession(
            secret_hash=secret_hash, csrf_token=csrf_token, user_id=user_id, expires_at=expires_at
        )
    )


def find_login(session: Session, secret_hash: str, now: float) -> tuple[User, LoginSession] | None:
    """Return who is logged in with that cookie, and the login."""
    row = session.execute(
        select(User, LoginSession)
        .join(LoginSession, LoginSession.user_id == User.id)
        .where(
            LoginSession.secret_hash == secret_hash, LoginSession.expires_at > now, User.is_active
        )
    ).first()
    return None if row is None else (row[0], row[1])


def close_login(session: Session, secret_hash: str) -> None:
    """Forget one logged-in browser."""
    session.execute(delete(LoginSession).where(LoginSession.secret_hash == secret_hash))


def close_logins(session: Session, user_id: int) -> None:
    """Forget all browsers of an account."""
    session.execute(delete(LoginSession).where(LoginSession.user_id == user_id))


def add_token(session: Session, secret_hash: str, user_id: int, label: str, now: float) -> ApiToken:
    """Return a new token of an account."""
    token = ApiToken(secret_hash=secret_hash, user_id=user_id, label=label, created_at=now)
    session.add(token)
    session.flush()
    return token


def find_token_user(session: Session, secret_hash: str) -> User | None:
    """Return the active account that a token acts for."""
    return session.scalar(
        select(User)
        .join(ApiToken, ApiToken.user_id == User.id)
        .where(ApiToken.secret_hash == secret_hash, User.is_active)
    )


def list_tokens(session: Session, user_id: int) -> list[ApiToken]:
    """Return an account's tokens, oldest first."""
    return list(
        session.scalars(select(ApiToken).where(ApiToken.user_id == user_id).order_by(ApiToken.id))
    )


def delete_token(session: Session, user_id: int, token_id: int) -> None:
    """Delete one of an account's own tokens; NotFoundError if it has none such."""
    deleted = session.scalar(
        delete(ApiToken)
        .where(ApiToken.id == token_id, ApiToken.user_id == user_id)
        .returning(ApiToken.id)
    )
    if deleted is None:
        raise NotFoundError(f"token must be one of yours, got {token_id}. List them.")


def _get_user(session: Session, user_id: int, *, lock: bool = False) -> User:
    user = session.get(User, user_id, with_for_update=lock, populate_existing=lock)
    if user is None:
        raise NotFoundError(f"user must exist, got {user_id}. List them with GET /api/users.")
    return user


def _checked_name(name: str) -> str:
    tidy = name.strip().lower()
    if not tidy or len(tidy) > _MAX_NAME or not tidy.isprintable():
        raise InvalidInputError(
            f"name must have 1 to {_MAX_NAME} visible characters, got {name[:80]!r}. "
            "Choose another."
        )
    return tidy
