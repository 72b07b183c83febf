"""A limit on guessing passwords that all processes of a studio share."""

from collections.abc import Sequence

from sqlalchemy import delete
from sqlalchemy.orm import Session

from anymask.engine.store.tables import Attempts

WINDOW_SECONDS = 300.0


def take_attempt(session: Session, key_hashes: Sequence[str], allowed: int, now: float) -> float:
    """Count a failed attempt under each key, or return how many seconds there may be none; else 0.

    It is counted before the password is looked at, so that a burst is limited too; `forgive` takes
    it back. An attempt that is refused does not count.

    Args:
        session: writing.
        key_hashes: of an address, of a name; nobody can read them.
        allowed: failures under a key in `WINDOW_SECONDS`.
        now: seconds since 1970.
    """
    rows = [_row(session, key_hash) for key_hash in sorted(key_hashes)]
    for row in rows:
        row.failed_at = [at for at in row.failed_at if at > now - WINDOW_SECONDS]
    full = [row.failed_at[-allowed] for row in rows if len(row.failed_at) >= allowed]
    if full:
        return max(full) + WINDOW_SECONDS - now
    for row in rows:
        row.failed_at = [*row.failed_at, now]
        row.last_at = now
    session.execute(delete(Attempts).where(Attempts.last_at <= now - WINDOW_SECONDS))
    return 0.0


def forgive(session: Session, key_hashes: Sequence[str]) -> None:
    """Take the last attempt under each key back: it was right."""
    for key_hash in sorted(key_hashes):
        row = _row(session, key_hash)
        row.failed_at = row.failed_at[:-1]


def _row(session: Session, key_hash: str) -> Attempts:
    """The row of a key, locked."""
    row = session.get(Attempts, key_hash, with_for_update=True, populate_existing=True)
    if row is None:
        row = Attempts(key_hash=key_hash, failed_at=[], last_at=0.0)
        session.add(row)
        session.flush()
    return row
