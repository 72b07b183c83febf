"""ONNX files run by ONNX Runtime."""

import os
from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from anymask.core.errors import CheckpointError, MissingExtraError

try:
    import onnxruntime
except ImportError:
    raise MissingExtraError("onnxruntime", "onnx") from None


class OnnxGraph:
    """One loaded file; safe to share between threads.

    Args:
        path: an .onnx file.
        num_threads: of one run; torch's number by default.

    Raises:
        CheckpointError: the file is not an ONNX graph that this runtime knows.
    """

    def __init__(self, path: str | os.PathLike[str], num_threads: int | None = None) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = num_threads or torch.get_num_threads()
        # Threads that spin while they wait would take the cores from torch in this process.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            self._session = onnxruntime.InferenceSession(
                os.fspath(path), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # the runtime's own classes have no common parent but this
            raise CheckpointError(
                f"{os.fspath(path)} is no graph that ONNX Runtime can load: {error}. "
                "Export it again."
            ) from error
        self._outputs = [output.name for output in self._session.get_outputs()]
        self.metadata: dict[str, str] = dict(self._session.get_modelmeta().custom_metadata_map)

    def run(self, inputs: Mapping[str, NDArray[np.generic]]) -> dict[str, NDArray[np.float32]]:
        """Return the outputs by name."""
        return dict(zip(self._outputs, self._session.run(None, dict(inputs)), strict=True))
