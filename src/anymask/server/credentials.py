"""Passwords and secrets: made, hashed, compared."""

import hashlib
import secrets
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from anymask.core.errors import InvalidInputError

MIN_PASSWORD = 10
MAX_PASSWORD = 200

_HASHER = PasswordHasher()  # argon2id with the parameters of RFC 9106's second choice


def new_secret() -> str:
    """Return a fresh secret of 256 bits, as text that fits cookies and URLs."""
    return secrets.token_urlsafe(32)


def hash_secret(secret: str) -> str:
    """Return what is kept of a secret: SHA-256, hex. It is long and random: no salt."""
    return hashlib.sha256(secret.encode()).hexdigest()


def hash_password(password: str) -> str:
    """Return what is kept of a password (argon2id).

    Raises:
        InvalidInputError: it is too short or too long.
    """
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise InvalidInputError(
            f"password must have {MIN_PASSWORD} to {MAX_PASSWORD} characters, got "
            f"{len(password)}. Choose another."
        )
    return _HASHER.hash(password)


def is_password(password: str, password_hash: str | None) -> bool:
    """Whether the password is that of the hash; without a hash it takes as long, and is not."""
    try:
        return _HASHER.verify(password_hash or _nobody(), password) and password_hash is not None
    except (VerificationError, InvalidHashError):
        return False


@cache
def _nobody() -> str:
    """A hash of a password that nobody knows, to spend as long on names that do not exist."""
    return _HASHER.hash(new_secret())
