"""Who asks, and whether they may: cookies with CSRF tokens, bearer tokens, roles."""

import hmac
from collections.abc import Callable
from typing import Annotated

from fastapi import Depends, Request

from anymask.core.errors import AccessError
from anymask.engine.store import accounts, members
from anymask.engine.store.tables import Role, User
from anymask.server.credentials import hash_secret
from anymask.server.errors import NotLoggedInError
from anymask.server.protection import SAFE_METHODS
from anymask.server.studio import Studio

CSRF_HEADER = "X-CSRF-Token"


def get_studio(request: Request) -> Studio:
    """Return what the application works with."""
    studio: Studio = request.app.state.studio
    return studio


StudioOf = Annotated[Studio, Depends(get_studio)]


def cookie_name(studio: Studio) -> str:
    """Return the session cookie's name; browsers hold the prefix to HTTPS and to this host."""
    return "__Host-anymask" if studio.settings.secure_cookies else "anymask"


def current_user(request: Request, studio: StudioOf) -> User:
    """Return who asks.

    Raises:
        NotLoggedInError: the request does not say, or its token or cookie is not in force.
        AccessError: the cookie would do, but the request may come from another page.
    """
    if studio.local_user is not None:
        return studio.local_user
    authorization = request.headers.get("authorization", "")
    if authorization:
        scheme, _, token = authorization.partition(" ")
        with studio.database.reading() as session:
            user = accounts.find_token_user(session, hash_secret(token.strip()))
        if scheme.lower() != "bearer" or user is None:
            raise NotLoggedInError("Authorization must be Bearer and a token in force. Make one.")
        return user
    secret = request.cookies.get(cookie_name(studio))
    if secret is None:
        raise NotLoggedInError("login must come first, got no session. POST /api/session.")
    with studio.database.reading() as session:
        found = accounts.find_login(session, hash_secret(secret), studio.database.now())
    if found is None:
        raise NotLoggedInError("session must be in force, got one that ended. Log in again.")
    user, login = found
    if request.method not in SAFE_METHODS:
        given = request.headers.get(CSRF_HEADER, "")
        if not hmac.compare_digest(given.encode(), login.csrf_token.encode()):
            raise AccessError(f"{CSRF_HEADER} must be the session's, got another. Log in again.")
    return user


def _needing(role: Role) -> Callable[[User], User]:
    def check(user: Annotated[User, Depends(current_user)]) -> User:
        if not user.role.includes(role):
            raise AccessError(f"role must be {role} or above, got {user.role}. Ask an admin.")
        return user

    return check


def members_only(
    request: Request, user: Annotated[User, Depends(current_user)], studio: StudioOf
) -> None:
    """Let only members of the project pass, on every route that is about a project or an image.

    Raises:
        NotFoundError: the project or the image in the path does not exist, or not for who asks.
    """
    project_id, image_id = (
        request.path_params.get(name, "") for name in ("project_id", "image_id")
    )
    with studio.database.reading() as session:
        if _is_row_id(project_id):
            members.check_project_visible(session, int(project_id), user)
        if _is_row_id(image_id):
            members.check_image_visible(session, int(image_id), user)


def _is_row_id(text: str) -> bool:
    """Whether a path's part is a number; the route itself refuses others."""
    return text.isascii() and text.isdigit() and int(text) < 2**31


Annotator = Annotated[User, Depends(_needing(Role.ANNOTATOR))]
Reviewer = Annotated[User, Depends(_needing(Role.REVIEWER))]
Admin = Annotated[User, Depends(_needing(Role.ADMIN))]
