"""Which model an engine's people work with now: a small file that the studio's server reads.

It is replaced whole when a model is promoted; who reads it sees the one before or the new one.
"""

from dataclasses import dataclass
from pathlib import Path

from anymask.core.files import read_json, write_json

CURRENT_MODEL_FILE = "engine/current_model.json"


@dataclass(frozen=True, kw_only=True)
class CurrentModel:
    """A model: its file, or the name of a known one, and the id that masks made with it carry."""

    model: str
    model_id: str


def read_current_model(folder: str | Path) -> CurrentModel | None:
    """Return the studio's current model; None where no engine runs.

    Raises:
        InvalidInputError: the file is damaged.
    """
    file = Path(folder) / CURRENT_MODEL_FILE
    if not file.is_file():
        return None
    value = read_json(file)
    # A model that the engine made is named from the folder, which may have been moved.
    own = Path(folder) / value["model"]
    model = str(own) if own.exists() else value["model"]
    return CurrentModel(model=model, model_id=value["model_id"])


def write_current_model(folder: Path, current: CurrentModel) -> None:
    """Make a model the current one; OutputError says why that fails."""
    path = Path(current.model)
    is_own = path.is_relative_to(folder)
    model = path.relative_to(folder).as_posix() if is_own else current.model
    write_json(folder / CURRENT_MODEL_FILE, {"model": model, "model_id": current.model_id})
