"""A studio's database and files, for commands that work on them without its server."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anymask.engine.store.blobs import Blobs
    from anymask.engine.store.database import Database


@contextmanager
def open_studio_folder(folder: str) -> "Iterator[tuple[Database, Blobs]]":
    """Return a context with the database and the files of `anymask serve --data FOLDER`.

    They are in the folder, or at ANYMASK_DATABASE_URL and ANYMASK_BLOBS_URL.

    Raises:
        AnymaskError: the database cannot be opened, or the extra is not installed.
    """
    from anymask.core.errors import MissingExtraError, OutputError
    from anymask.server.settings import ServerSettings

    try:
        from anymask.engine.store.blobs import open_blobs
        from anymask.engine.store.database import Database
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or "sqlalchemy", "server") from None
    settings = ServerSettings.from_environment(folder=str(Path(folder).resolve()))
    try:
        Path(settings.folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{folder} could not be made: {error.strerror}. Choose another folder."
        ) from None
    database = Database(settings.database)
    try:
        yield database, open_blobs(settings.blobs)
    finally:
        database.close()


def project_named(database: "Database", name: str) -> int:
    """Return the id of the project of that name.

    Raises:
        UnknownNameError: there is none; it lists those that there are.
    """
    from anymask.core.errors import UnknownNameError
    from anymask.engine.store.projects import list_projects

    with database.reading() as session:
        known = {project.name: project.id for project in list_projects(session)}
    if name not in known:
        raise UnknownNameError("project", name, list(known))
    return known[name]
