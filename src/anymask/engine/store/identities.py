"""Accounts that an identity provider vouches for (OpenID Connect)."""

from sqlalchemy import delete
from sqlalchemy.orm import Session

from anymask.core.errors import AccessError
from anymask.engine.store import accounts
from anymask.engine.store.tables import Identity, PendingLogin, Role, User


def begin_login(session: Session, login: PendingLogin, now: float) -> None:
    """Keep that a browser was sent to the provider, and forget those that never came back."""
    session.execute(delete(PendingLogin).where(PendingLogin.expires_at <= now))
    session.add(login)


def take_login(session: Session, state_hash: str, now: float) -> PendingLogin:
    """Return the login of a browser that came back, once.

    Raises:
        AccessError: there is none, it was used, or it ran out.
    """
    login = session.get(PendingLogin, state_hash, with_for_update=True)
    if login is None or login.expires_at <= now:
        raise AccessError("state must be of a login that was begun here lately. Log in again.")
    session.delete(login)
    session.flush()
    return login


def log_in_identity(
    session: Session,
    issuer: str,
    subject: str,
    email: str,
    now: float,
    *,
    invitation_hash: str | None,
    is_welcome: bool,
) -> User:
    """Return the account of somebody whom the provider knows; a first-comer's is made.

    Args:
        session: writing.
        issuer: the provider.
        subject: who it is, by the provider's own unchanging name.
        email: becomes the name of a new account.
        now: seconds since 1970.
        invitation_hash: of an invitation, if they came with one.
        is_welcome: whether they get an account, as annotator, without an invitation.

    Raises:
        AccessError: they have no account and get none, or it is switched off.
        NotFoundError, InvalidInputError, ConflictError: as of `accounts.accept_invitation`.
    """
    identity = session.get(Identity, (issuer, subject))
    if identity is not None:
        user = session.get_one(User, identity.user_id)
        if not user.is_active:
            raise AccessError(f"account must be active, got {user.name}. Ask an admin.")
        return user
    if invitation_hash is not None:
        user = accounts.accept_invitation(
            session, invitation_hash, email, accounts.NO_PASSWORD, now
        )
    elif is_welcome:
        user = accounts.add_user(session, email, accounts.NO_PASSWORD, Role.ANNOTATOR, now)
    else:
        raise AccessError(f"account must exist, got {email[:80]!r}. Ask an admin to invite you.")
    session.add(Identity(issuer=issuer, subject=subject, user_id=user.id))
    session.flush()
    return user
