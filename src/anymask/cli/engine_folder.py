"""The engine's folder as an argument of every action, and what its records look like on a line."""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anymask.engine.cycle import DataEngine
    from anymask.engine.plan import EnginePlan
    from anymask.engine.steps import StepRecord


def add_folder_argument(parser: argparse.ArgumentParser) -> None:
    """Add FOLDER, the studio's, and --json."""
    parser.add_argument("folder", metavar="FOLDER", help="the studio's, as of anymask serve --data")
    parser.add_argument("--json", action="store_true", help="print JSON")


@contextmanager
def open_engine(folder: str, plan: "EnginePlan | None" = None) -> "Iterator[DataEngine]":
    """Return a context with the folder's engine, or with a new one of that plan.

    Database and files are where `anymask serve` has them: in the folder, or at
    ANYMASK_DATABASE_URL and ANYMASK_BLOBS_URL.

    Raises:
        AnymaskError: no engine there, or one with another plan; the database cannot be opened.
    """
    from anymask.core.errors import MissingExtraError
    from anymask.server.settings import ServerSettings

    try:
        from anymask.engine.cycle import DataEngine
    except ModuleNotFoundError as error:
        raise MissingExtraError(error.name or "sqlalchemy", "server") from None
    settings = ServerSettings.from_environment(folder=str(Path(folder).resolve()))
    if plan is not None:
        DataEngine.begin(folder, plan)
    engine = DataEngine.open(folder, database_url=settings.database, blobs_url=settings.blobs)
    try:
        yield engine
    finally:
        engine.close()


def describe_record(record: "StepRecord") -> str:
    """Return a step's record as a line: its name, how long it took, its figures."""
    figures = ", ".join(
        f"{name.replace('_', ' ')} {_short(value)}"
        for name, value in record.figures.items()
        if isinstance(value, int | float)
    )
    return f"{record.name}: {record.seconds:.1f} s" + (f"; {figures}" if figures else "")


def _short(value: float) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.3f}" if isinstance(value, float) else str(value)
