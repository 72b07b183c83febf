"""Logging in at an identity provider instead of with a password here."""

import hmac
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse

from anymask.core.errors import AccessError, NotFoundError
from anymask.engine.store import identities
from anymask.engine.store.tables import PendingLogin
from anymask.server.access import StudioOf
from anymask.server.credentials import hash_secret, new_secret
from anymask.server.oidc import IdentityProvider
from anymask.server.sessions import start_session
from anymask.server.studio import Studio

router = APIRouter(prefix="/api/oidc", tags=["people"])

_COOKIE = "anymask-oidc"
_LASTING_SECONDS = 600
_Text = Annotated[str, Query(max_length=4000)]


@router.get("/start", status_code=303, response_class=RedirectResponse)
def start_oidc(
    studio: StudioOf, invitation: Annotated[str, Query(max_length=100)] = ""
) -> RedirectResponse:
    """Send the browser to the identity provider; with an invitation for a first-comer."""
    provider = _provider(studio)
    state, nonce, verifier = new_secret(), new_secret(), new_secret()
    address = provider.address(state, nonce, verifier)
    now = studio.database.now()
    with studio.database.writing() as session:
        login = PendingLogin(
            state_hash=hash_secret(state),
            nonce=nonce,
            verifier=verifier,
            invitation_hash=hash_secret(invitation) if invitation else None,
            expires_at=now + _LASTING_SECONDS,
        )
        identities.begin_login(session, login, now)
    response = RedirectResponse(address, status_code=303)
    # Only the browser that was sent may come back: nobody can be logged in as somebody else.
    response.set_cookie(
        _COOKIE,
        state,
        max_age=_LASTING_SECONDS,
        path="/api/oidc",
        secure=studio.settings.secure_cookies,
        httponly=True,
        samesite="lax",
    )
    return response


@router.get("/callback", status_code=303, response_class=RedirectResponse)
def finish_oidc(
    request: Request, studio: StudioOf, state: _Text = "", code: _Text = "", error: _Text = ""
) -> RedirectResponse:
    """Log in who comes back from the identity provider, and go to the page."""
    provider = _provider(studio)
    if not hmac.compare_digest(state.encode(), request.cookies.get(_COOKIE, "").encode()):
        raise AccessError("state must be this browser's, got another's. Log in again.")
    if error or not code:
        raise AccessError("login must be granted by the identity provider, it was not. Try again.")
    with studio.database.writing() as session:
        login = identities.take_login(session, hash_secret(state), studio.database.now())
    person = provider.person(code, login.nonce, login.verifier)
    with studio.database.writing() as session:
        user = identities.log_in_identity(
            session,
            studio.settings.oidc_issuer,
            person.subject,
            person.email,
            studio.database.now(),
            invitation_hash=login.invitation_hash,
            is_welcome=provider.is_welcome(person),
        )
    response = RedirectResponse(studio.settings.public_url.rstrip("/") + "/", status_code=303)
    response.delete_cookie(_COOKIE, path="/api/oidc")
    start_session(user, request, response, studio)
    return response


def _provider(studio: Studio) -> IdentityProvider:
    if studio.identity_provider is None:
        raise NotFoundError("oidc must be set up, it is not. Log in with name and password.")
    return studio.identity_provider
