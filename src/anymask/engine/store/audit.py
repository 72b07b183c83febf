"""What administrators did, kept in the transaction that did it."""

from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from anymask.engine.store.tables import AuditEntry, User


def note(session: Session, user: User, action: str, now: float, **data: Any) -> None:
    """Keep that this user did that; `data` is plain JSON without secrets."""
    session.add(AuditEntry(user_id=user.id, action=action, data=data, happened_at=now))


def list_entries(session: Session, before: int, limit: int) -> list[AuditEntry]:
    """Return the last entries with an id below `before`, newest first."""
    query = select(AuditEntry).where(AuditEntry.id < before)
    return list(session.scalars(query.order_by(AuditEntry.id.desc()).limit(limit)))
