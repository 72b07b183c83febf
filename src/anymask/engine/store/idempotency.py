"""Answers that are kept: a request said twice with one key is done once and answered alike."""

import hashlib
import json
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from anymask.core.errors import InvalidInputError
from anymask.engine.store.tables import IdempotencyKey, User

KEPT_SECONDS = 7 * 24 * 3600.0
"""A browser that was away for longer is told by versions, not by keys, what is already saved."""


def hash_request(*parts: Any) -> str:
    """Return what tells requests apart: SHA-256, hex, of plain JSON data."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def recall(session: Session, user_id: int, key: str, request_hash: str) -> dict[str, Any] | None:
    """Return the answer that was given to this request of this account, None if there is none.

    An account's requests with keys come one after another: a repeated one waits for the first.

    Raises:
        InvalidInputError: the key was used for another request.
    """
    session.scalar(select(User.id).where(User.id == user_id).with_for_update(key_share=True))
    kept = session.get(IdempotencyKey, (user_id, key))
    if kept is None:
        return None
    if kept.request_hash != request_hash:
        raise InvalidInputError(
            "Idempotency-Key must be new for each request, got one of another. Make a new UUID."
        )
    return kept.answer


def remember(
    session: Session,
    user_id: int,
    key: str,
    request_hash: str,
    answer: dict[str, Any],
    now: float,
) -> None:
    """Keep an answer, in the transaction of what it tells."""
    session.add(
        IdempotencyKey(
            user_id=user_id, key=key, request_hash=request_hash, answer=answer, created_at=now
        )
    )


def forget_old(session: Session, now: float) -> None:
    """Delete answers that nobody will ask for again."""
    session.execute(delete(IdempotencyKey).where(IdempotencyKey.created_at < now - KEPT_SECONDS))
