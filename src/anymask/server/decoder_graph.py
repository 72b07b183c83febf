"""The decoder as an ONNX graph for browsers: exported once a model and version, then kept."""

import hashlib
import tempfile
import threading
from pathlib import Path

from anymask import __version__
from anymask.core.errors import AnymaskError, NotFoundError
from anymask.engine.store.blobs import Blobs
from anymask.server.served_model import ServedModel


class DecoderGraph:
    """The graphs of the models that are served, in `blobs`.

    Args:
        blobs: where they are kept.
    """

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._making = threading.Lock()

    def key(self, model_id: str) -> str:
        """Return what names the graph's content: it changes with the model and our version."""
        return hashlib.sha256(f"{model_id} {__version__}".encode()).hexdigest()[:16]

    def read(self, served: ServedModel) -> bytes:
        """Return the model's graph as the bytes of an ONNX file; the first time takes seconds.

        Raises:
            NotFoundError: this model, or what is installed, gives none; the server has to answer.
        """
        name = f"decoders/{self.key(served.model_id)}.onnx"
        with self._making:
            if name not in self._blobs:
                self._blobs.write(name, self._export(served.name))
        return self._blobs.read(name)

    def _export(self, model_name: str) -> bytes:
        from anymask.inference.export import export_model
        from anymask.inference.exported import find_export
        from anymask.model.checkpoints import load_sam

        exported = find_export(model_name) if model_name else None
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
            model, model_id = load_sam(model_name or None)
            with tempfile.TemporaryDirectory() as folder:
                (file,) = export_model(model, model_id, Path(folder), parts=("decoder",))
                return file.path.read_bytes()
        except AnymaskError as error:
            raise NotFoundError(
                f"decoder must be exportable, got: {error} POST /api/images/{{id}}/masks."
            ) from error
