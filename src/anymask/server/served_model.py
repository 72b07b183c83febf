"""The model that the server answers with: the one it was told, or the engine's current one.

A data engine promotes a better model while people annotate. From then on new questions are about
the new model; what was begun with the one before is ended with it, as whoever asks holds it.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from anymask.engine.current_model import CURRENT_MODEL_FILE, read_current_model
from anymask.engine.embedding_files import load_studio_predictor

# Loaded when it is first needed: a server that starts again after a crash takes saves at once, and
# not after the seconds that torch needs.
if TYPE_CHECKING:
    from anymask.inference.predictor import Predictor


@dataclass(frozen=True, kw_only=True, eq=False)
class ServedModel:
    """A loaded model and its name or file, "" for the default one."""

    name: str
    predictor: "Predictor"

    @property
    def model_id(self) -> str:
        """The id that masks made with it carry."""
        return self.predictor.model_id


class ModelSource:
    """Gives the model of the moment, loaded when first asked for.

    Args:
        model: name or file that is served whatever an engine says; "" for the engine's current one,
            or the default where no engine runs.
        folder: the studio's.
        load: gives the model of a name or file.
    """

    def __init__(
        self,
        model: str,
        folder: Path,
        load: "Callable[[str], Predictor]" = load_studio_predictor,
    ) -> None:
        self._model = model
        self._folder = folder
        self._load = load
        self._loading = threading.Lock()
        self._served: ServedModel | None = None
        self._read_at: tuple[int, int] | None = None
        self._name = model

    def served(self) -> ServedModel:
        """Return the model of the moment; the first time after a promotion takes seconds.

        Raises:
            CheckpointError: its file is gone or damaged.
        """
        with self._loading:
            name = self._model or self._current_name()
            if self._served is None or self._served.name != name:
                self._served = ServedModel(name=name, predictor=self._load(name))
            return self._served

    def _current_name(self) -> str:
        """The engine's model; its file is read only when it was replaced."""
        try:
            status = (self._folder / CURRENT_MODEL_FILE).stat()
        except FileNotFoundError:
            return ""
        written_at = status.st_mtime_ns, status.st_ino
        if written_at != self._read_at:
            current = read_current_model(self._folder)
            self._name = "" if current is None else current.model
            self._read_at = written_at
        return self._name
