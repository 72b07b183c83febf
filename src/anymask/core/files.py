"""Whole files or none: writing through a temporary file in the same folder and a rename."""

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

from anymask.core.errors import AnymaskError, InvalidInputError, OutputError


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Return a context whose binary file becomes `path` at its end, and nothing if anything fails.

    Raises:
        OutputError: the file cannot be written (no such folder, read-only, disk full).
    """
    target = Path(path)
    if not target.name:
        raise OutputError(f"{target} must be a file name, got a folder. Name a file in it.")
    temporary = target.with_name(f".{target.name[:100]}.{secrets.token_hex(6)}.tmp")
    try:
        with temporary.open("xb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(target)
        _sync_folder(target.parent)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        # Our own errors (of a reader used inside the block) already say what to do.
        if isinstance(error, OSError) and not isinstance(error, AnymaskError):
            reason = error.strerror or str(error)
            raise OutputError(
                f"{target} could not be written: {reason}. Choose another place or make room."
            ) from error
        raise


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write data to path, whole or not at all; OutputError says why not."""
    with atomic_write(path) as stream:
        stream.write(data)


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write value as UTF-8 JSON with a final newline, whole or not at all.

    Raises:
        InvalidInputError: the value holds something JSON cannot say (NaN included).
        OutputError: the file cannot be written.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(
            f"value must be plain JSON data, got {error}. Convert arrays with tolist() first."
        ) from error
    write_bytes(path, text.encode("utf-8") + b"\n")


def read_json(path: str | os.PathLike[str]) -> Any:
    """Return what a UTF-8 JSON file holds.

    Raises:
        InvalidInputError: there is no such file, or it is no JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise InvalidInputError(f"{path} must be readable JSON, got: {reason}.") from None


def rename_folder(temporary: str | os.PathLike[str], path: str | os.PathLike[str]) -> None:
    """Make a finished folder appear under its name, durably; nothing may be there yet.

    Raises:
        OutputError: the folder cannot be renamed.
    """
    target = Path(path)
    try:
        Path(temporary).rename(target)
        _sync_folder(target.parent)
    except OSError as error:
        raise OutputError(
            f"{target} could not be written: {error.strerror}. Choose another place or make room."
        ) from error


def _sync_folder(folder: Path) -> None:
    """Make the rename survive a power cut, where the system lets folders be opened."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
