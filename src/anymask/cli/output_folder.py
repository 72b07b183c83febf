"""The folder that a command writes into."""

import tempfile
from pathlib import Path

from anymask.core.errors import OutputError


def make_output_folder(path: str | Path) -> Path:
    """Return the folder, made if needed and known to take files.

    Raises:
        OutputError: it cannot be made or written; better told before the work than after it.
    """
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        reason = error.strerror or str(error)
        raise OutputError(
            f"output folder {folder} must be writable, got: {reason}. Choose another with --output."
        ) from error
    return folder
