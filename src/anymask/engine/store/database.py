"""Opening the database: SQLite in a file or PostgreSQL, brought up to date, one way to use both."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import (
    ArgumentError,
    IntegrityError,
    NoSuchModuleError,
    OperationalError,
    SQLAlchemyError,
)
from sqlalchemy.orm import Session

from anymask.core.errors import ConflictError, InvalidInputError, MissingExtraError, OutputError

# How long a writer waits for another one. Writes take milliseconds.
_BUSY_SECONDS = 30


class Database:
    """A database that has all tables; safe to share between threads and processes.

    Args:
        url: `sqlite:///file` or `postgresql://user:password@host/name`.
        clock: gives seconds since 1970; tests turn it forward.

    Raises:
        InvalidInputError: another kind of database, or text that is not a URL.
        OutputError: it cannot be opened.
    """

    def __init__(self, url: str, clock: Callable[[], float] = time.time) -> None:
        self.now = clock
        self._engine = _engine(url)
        self._writing = self._engine.execution_options(begin="IMMEDIATE")
        # SQLite lets one write and the others try again at intervals that grow; in turn is faster.
        is_sqlite = self._engine.dialect.name == "sqlite"
        self._turn: AbstractContextManager[object] = (
            threading.Lock() if is_sqlite else nullcontext()
        )
        try:
            # SQLite changes a table by making it anew: what points to it must not mind meanwhile.
            with self._writing.execution_options(foreign_keys="OFF").begin() as connection:
                if connection.dialect.name == "postgresql":
                    # Of servers that start together one migrates; the others find it done.
                    connection.execute(text("SELECT pg_advisory_xact_lock(8261)"))
                migrate(connection)
            self._engine.dispose()
        except (OperationalError, OSError) as error:
            raise OutputError(
                f"the database could not be opened: {_reason(error)}. Check its URL and rights."
            ) from error

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Return a context with a session that sees one state and changes nothing."""
        with Session(self._engine, expire_on_commit=False) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """Return a context with a session whose changes are on disk when it ends, or none are.

        On SQLite writers come one after another from the start: none reads what it then finds
        changed.

        Raises:
            ConflictError: another one made the same thing at the same time (PostgreSQL only).
        """
        try:
            with (
                self._turn,
                Session(self._writing, expire_on_commit=False) as session,
                session.begin(),
            ):
                try:
                    yield session
                except BaseException:
                    session.expunge_all()  # a row that an error carries can be read after it
                    raise
        except IntegrityError as error:
            raise ConflictError(
                "request must not cross another for the same thing, got two at once. Try again.",
                "request",
            ) from error

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()


def migrate(connection: Connection, revision: str = "head") -> None:
    """Bring the tables up to that revision of this package; rows stay."""
    config = Config()
    config.set_main_option("script_location", "anymask.engine.store:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def _engine(url: str) -> Engine:
    try:
        parsed = make_url(url)
        if parsed.drivername in ("postgresql", "postgres"):
            parsed = parsed.set(drivername="postgresql+pg8000")
        kind = parsed.get_backend_name()
        if kind not in ("sqlite", "postgresql") or parsed.database in (None, "", ":memory:"):
            raise ArgumentError
        engine = create_engine(parsed, pool_size=10, max_overflow=40, pool_pre_ping=True)
    except (ArgumentError, NoSuchModuleError) as error:
        raise InvalidInputError(
            "database URL must be sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME, got "
            "something else. Correct it."
        ) from error
    except ModuleNotFoundError:
        raise MissingExtraError("pg8000", "postgres") from None
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_up_sqlite(connection: Any, _: object) -> None:
    connection.isolation_level = None  # the driver must not begin by itself: _begin_sqlite does
    cursor = connection.cursor()
    for pragma in (
        f"busy_timeout = {_BUSY_SECONDS * 1000}",
        "journal_mode = WAL",
        # An acknowledged save outlives a power cut.
        "synchronous = FULL",
        "foreign_keys = ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_sqlite(connection: Connection) -> None:
    options = connection.get_execution_options()
    if "foreign_keys" in options:
        connection.exec_driver_sql(f"PRAGMA foreign_keys = {options['foreign_keys']}")
    connection.exec_driver_sql(f"BEGIN {options.get('begin', 'DEFERRED')}")


def _reason(error: Exception) -> str:
    cause = error.orig if isinstance(error, SQLAlchemyError) and hasattr(error, "orig") else error
    return str(cause).splitlines()[0]
