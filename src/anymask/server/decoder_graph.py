"""The decoder as an ONNX graph for browsers: exported once a model and version, then kept."""

import hashlib
import tempfile
import threading
from pathlib import Path

from anymask import __version__
from anymask.core.errors import AnymaskError, NotFoundError
from anymask.engine.store.blobs import Blobs


class DecoderGraph:
    """The graph of one model, in `blobs`.

    Args:
        blobs: where it is kept.
        model: name or file of the model; empty for the default one.
    """

    def __init__(self, blobs: Blobs, model: str) -> None:
        self._blobs = blobs
        self._model = model
        self._making = threading.Lock()

    def key(self, model_id: str) -> str:
        """Return what names the graph's content: it changes with the model and our version."""
        return hashlib.sha256(f"{model_id} {__version__}".encode()).hexdigest()[:16]

    def read(self, model_id: str) -> bytes:
        """Return the graph as the bytes of an ONNX file; the first time takes seconds.

        Raises:
            NotFoundError: this model, or what is installed, gives none; the server has to answer.
        """
        name = f"decoders/{self.key(model_id)}.onnx"
        with self._making:
            if name not in self._blobs:
                self._blobs.write(name, self._export())
        return self._blobs.read(name)

    def _export(self) -> bytes:
        from anymask.inference.export import export_model
        from anymask.inference.exported import find_export
        from anymask.model.checkpoints import load_sam

        exported = find_export(self._model) if self._model else None
        if exported is not None:
            decoder = exported[1]
            if decoder.suffix != ".onnx":
                raise NotFoundError(
                    f"decoder must be an ONNX file for browsers, got {decoder.name}. "
                    "POST /api/images/{id}/masks."
                )
            return decoder.read_bytes()
        try:
            # Loaded anew: the one that embeds may lie on another device, in another precision.
            model, model_id = load_sam(self._model or None)
            with tempfile.TemporaryDirectory() as folder:
                (file,) = export_model(model, model_id, Path(folder), parts=("decoder",))
                return file.path.read_bytes()
        except AnymaskError as error:
            raise NotFoundError(
                f"decoder must be exportable, got: {error} POST /api/images/{{id}}/masks."
            ) from error
