"""Logging in and out, accounts, invitations, tokens."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from anymask.core.errors import AccessError
from anymask.engine.store import accounts, attempts, audit
from anymask.engine.store.tables import ApiToken, User
from anymask.server.access import Admin, Annotator, StudioOf, cookie_name
from anymask.server.admin_schemas import AuditView, InvitationDraft, InvitationView, UserChange
from anymask.server.credentials import hash_password, hash_secret, is_password, new_secret
from anymask.server.errors import NotLoggedInError, TooManyAttemptsError
from anymask.server.schemas import (
    InvitationAnswer,
    Login,
    NewTokenView,
    PasswordChange,
    RowId,
    SessionView,
    TokenDraft,
    TokenView,
    UserView,
)
from anymask.server.sessions import end_session, start_session
from anymask.server.studio import Studio

router = APIRouter(prefix="/api", tags=["people"])


@router.post("/session")
def log_in(login: Login, request: Request, response: Response, studio: StudioOf) -> SessionView:
    """Log in: sets a fresh cookie, whatever cookie came, and ends the session of that one."""
    keys = _limit_keys(request, login.name)
    _count_attempt(studio, keys)
    with studio.database.reading() as session:
        user = accounts.find_user(session, login.name)
    is_right = is_password(login.password, user.password_hash if user else None)
    if user is None or not is_right or not user.is_active:
        raise NotLoggedInError("name and password must be those of an account. Try again.")
    _forgive(studio, keys)
    return _begin(user, request, response, studio)


@router.get("/session")
def who_am_i(user: Annotator, request: Request, studio: StudioOf) -> SessionView:
    """Tell who is logged in, and the CSRF token of a browser's session."""
    secret = request.cookies.get(cookie_name(studio))
    with studio.database.reading() as session:
        found = (
            accounts.find_login(session, hash_secret(secret), studio.database.now())
            if secret
            else None
        )
    return SessionView(
        user=UserView.model_validate(user), csrf_token=found[1].csrf_token if found else None
    )


@router.delete("/session", status_code=204)
def log_out(user: Annotator, request: Request, response: Response, studio: StudioOf) -> None:
    """Log this browser out."""
    end_session(request, studio)
    response.delete_cookie(cookie_name(studio), path="/")


@router.put("/session/password", status_code=204)
def change_password(
    change: PasswordChange, user: Annotator, request: Request, studio: StudioOf
) -> None:
    """Change one's own password; all one's browsers are logged out."""
    keys = _limit_keys(request, user.name)
    _count_attempt(studio, keys)
    if not is_password(change.password, user.password_hash):
        raise AccessError("password must be the present one, got another. Try again.")
    _forgive(studio, keys)
    new_hash = hash_password(change.new_password)
    with studio.database.writing() as session:
        accounts.change_password(session, user.id, new_hash)


@router.post("/invitations", status_code=201)
def invite(draft: InvitationDraft, user: Admin, studio: StudioOf) -> InvitationView:
    """Make an invitation for one person: to an account, or to choose a new password for theirs."""
    secret = new_secret()
    expires_at = studio.database.now() + studio.settings.invitation_seconds
    with studio.database.writing() as session:
        accounts.invite(
            session,
            hash_secret(secret),
            draft.role,
            user.id,
            expires_at,
            project_ids=draft.project_ids,
            user_id=draft.user_id,
        )
        audit.note(session, user, "invite", studio.database.now(), **draft.model_dump(mode="json"))
    return InvitationView(secret=secret, role=draft.role, expires_at=expires_at)


@router.post("/invitations/accept", status_code=201)
def accept_invitation(
    answer: InvitationAnswer, request: Request, response: Response, studio: StudioOf
) -> SessionView:
    """Make one's account with an invitation, or choose a new password, and log in."""
    keys = _limit_keys(request)
    _count_attempt(studio, keys)
    secret_hash, now = hash_secret(answer.secret), studio.database.now()
    with studio.database.reading() as session:
        is_good = accounts.has_invitation(session, secret_hash, now)
    if not is_good:
        raise AccessError("invitation must be unused and in date, got another. Ask for a new one.")
    _forgive(studio, keys)
    password_hash = hash_password(answer.password)
    with studio.database.writing() as session:
        user = accounts.accept_invitation(session, secret_hash, answer.name, password_hash, now)
    return _begin(user, request, response, studio)


@router.get("/users")
def list_users(user: Admin, studio: StudioOf) -> list[UserView]:
    """List all accounts."""
    with studio.database.reading() as session:
        return [UserView.model_validate(one) for one in accounts.list_users(session)]


@router.patch("/users/{user_id}")
def change_user(user_id: RowId, change: UserChange, user: Admin, studio: StudioOf) -> UserView:
    """Change somebody's role, or switch the account off or on."""
    with studio.database.writing() as session:
        changed = accounts.change_user(session, user_id, change.role, change.is_active)
        did = {"user_id": user_id, **change.model_dump(mode="json", exclude_none=True)}
        audit.note(session, user, "change user", studio.database.now(), **did)
    return UserView.model_validate(changed)


@router.get("/audit")
def list_audit(
    user: Admin,
    studio: StudioOf,
    before: Annotated[int, Query(ge=1, le=2**31 - 1)] = 2**31 - 1,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> list[AuditView]:
    """List what admins did, newest first; the next page is before the last id."""
    with studio.database.reading() as session:
        return [
            AuditView.model_validate(entry) for entry in audit.list_entries(session, before, limit)
        ]


@router.post("/tokens", status_code=201)
def make_token(draft: TokenDraft, user: Annotator, studio: StudioOf) -> NewTokenView:
    """Make a token for a program that acts for oneself; it is shown once."""
    token, now = new_secret(), studio.database.now()
    with studio.database.writing() as session:
        row = accounts.add_token(session, hash_secret(token), user.id, draft.label, now)
    return NewTokenView(token=token, **_token_view(row).model_dump())


@router.get("/tokens")
def list_tokens(user: Annotator, studio: StudioOf) -> list[TokenView]:
    """List one's own tokens."""
    with studio.database.reading() as session:
        return [_token_view(row) for row in accounts.list_tokens(session, user.id)]


@router.delete("/tokens/{token_id}", status_code=204)
def delete_token(token_id: RowId, user: Annotator, studio: StudioOf) -> None:
    """Take a token out of force."""
    with studio.database.writing() as session:
        accounts.delete_token(session, user.id, token_id)


def _token_view(row: ApiToken) -> TokenView:
    return TokenView.model_validate(row)


def _begin(user: User, request: Request, response: Response, studio: Studio) -> SessionView:
    csrf_token = start_session(user, request, response, studio)
    return SessionView(user=UserView.model_validate(user), csrf_token=csrf_token)


def _limit_keys(request: Request, *names: str) -> list[str]:
    address = request.client.host if request.client else ""
    keys = [f"address {address}", *(f"name {name.strip().lower()}" for name in names)]
    return [hash_secret(key) for key in keys]


def _count_attempt(studio: Studio, keys: Sequence[str]) -> None:
    """Count a failure before the slow comparison, so that a burst of attempts is limited too."""
    with studio.database.writing() as session:
        allowed = studio.settings.login_attempts
        wait = attempts.take_attempt(session, keys, allowed, studio.database.now())
    if wait:
        raise TooManyAttemptsError(wait)


def _forgive(studio: Studio, keys: Sequence[str]) -> None:
    with studio.database.writing() as session:
        attempts.forgive(session, keys)
