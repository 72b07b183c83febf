"""A browser's session: begun with a fresh cookie, ended on the server."""

from fastapi import Request, Response

from anymask.engine.store import accounts
from anymask.engine.store.tables import User
from anymask.server.access import cookie_name
from anymask.server.credentials import hash_secret, new_secret
from anymask.server.studio import Studio


def start_session(user: User, request: Request, response: Response, studio: Studio) -> str:
    """Log in with a new secret, return the CSRF token; a planted cookie is worth nothing."""
    end_session(request, studio)
    secret, csrf_token, now = new_secret(), new_secret(), studio.database.now()
    lasting = studio.settings.session_seconds
    with studio.database.writing() as session:
        accounts.open_login(session, hash_secret(secret), csrf_token, user.id, now + lasting, now)
    response.set_cookie(
        cookie_name(studio),
        secret,
        max_age=int(lasting),
        path="/",
        secure=studio.settings.secure_cookies,
        httponly=True,
        samesite="lax",
    )
    return csrf_token


def end_session(request: Request, studio: Studio) -> None:
    """End the session that the request's cookie belongs to, if any."""
    secret = request.cookies.get(cookie_name(studio))
    if secret is not None:
        with studio.database.writing() as session:
            accounts.close_login(session, hash_secret(secret))
