"""Where the weights of a named model are on this machine; knows no torch, so listing is quick."""

import os
from pathlib import Path

from anymask.core.errors import CheckpointError
from anymask.model.downloads import OFFICIAL_FILES, official_path
from anymask.model.presets import DEFAULT_NAME

MODEL_NAMES = (DEFAULT_NAME, *OFFICIAL_FILES)


def shipped_path() -> Path:
    """The place of the default weights in the installed package, there or not."""
    return Path(__file__).parents[1] / "weights" / f"{DEFAULT_NAME}.safetensors"


def locate(name_or_path: str | os.PathLike[str] | None) -> Path:
    """The file (or folder) that a model's name or path stands for.

    Raises:
        CheckpointError: nothing is there; the text says how to get it.
    """
    if name_or_path is None or name_or_path == DEFAULT_NAME:
        path = shipped_path()
        if not path.is_file():
            raise CheckpointError(
                f"the default weights {path} are not there. Reinstall anymask or name a checkpoint."
            )
        return path
    if name_or_path in OFFICIAL_FILES:
        path = official_path(str(name_or_path))
        if not path.is_file():
            raise CheckpointError(
                f"{name_or_path} is not downloaded. Run: anymask models download {name_or_path}"
            )
        return path
    path = Path(name_or_path).expanduser()
    if not path.exists():
        raise CheckpointError(
            f"model must be one of {', '.join(MODEL_NAMES)} or an existing file, got {path}. "
            "Check the path."
        )
    return path
