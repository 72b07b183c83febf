"""Passwords and secrets: made, hashed, compared; and a limit on guessing."""

import hashlib
import secrets
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from anymask.core.errors import InvalidInputError

MIN_PASSWORD = 10
MAX_PASSWORD = 200

_HASHER = PasswordHasher()  # argon2id with the parameters of RFC 9106's second choice
_WINDOW_SECONDS = 300.0
_MAX_KEYS = 10_000


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


class AttemptLimit:
    """Counts failures by any key (an address, a name); too many within five minutes are refused.

    Args:
        attempts: failures that are allowed in that time.
        clock: gives seconds.
    """

    def __init__(self, attempts: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._attempts = attempts
        self._clock = clock
        self._failures: OrderedDict[str, deque[float]] = OrderedDict()
        self._lock = threading.Lock()

    def wait_seconds(self, *keys: str) -> float:
        """Return how long all of these keys must wait, 0 if they may try."""
        now = self._clock()
        with self._lock:
            return max(self._wait(self._failures.get(key), now) for key in keys)

    def fail(self, *keys: str) -> None:
        """Count a failure for each key; the oldest keys are forgotten when there are very many."""
        now = self._clock()
        with self._lock:
            for key in keys:
                times = self._failures.setdefault(key, deque(maxlen=self._attempts))
                times.append(now)
                self._failures.move_to_end(key)
            while len(self._failures) > _MAX_KEYS:
                self._failures.popitem(last=False)

    def forgive(self, *keys: str) -> None:
        """Take each key's last failure back."""
        with self._lock:
            for key in keys:
                if times := self._failures.get(key):
                    times.pop()

    def _wait(self, times: deque[float] | None, now: float) -> float:
        if times is None or len(times) < self._attempts:
            return 0.0
        return max(0.0, times[0] + _WINDOW_SECONDS - now)


@cache
def _nobody() -> str:
    """A hash of a password that nobody knows, to spend as long on names that do not exist."""
    return _HASHER.hash(new_secret())
