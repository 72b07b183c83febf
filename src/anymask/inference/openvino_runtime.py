"""Exported files run by OpenVINO, which also computes in bfloat16 where the processor can."""

import os
import threading
from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from anymask.core.errors import CheckpointError, MissingExtraError

try:
    import openvino
except ImportError:
    raise MissingExtraError("openvino", "openvino") from None

_HINTS = {torch.float32: "f32", torch.bfloat16: "bf16"}
METADATA_SECTION = "anymask"  # of the file's rt_info


class OpenVinoGraph:
    """One loaded file; threads that share it take turns.

    Args:
        path: an .xml file with its .bin beside it, or an .onnx file.
        dtype: of the computation, float32 or bfloat16, whatever the file's weights are stored in.
        num_threads: of one run; torch's number by default.
        shapes: fixes input shapes (-1 leaves an axis open), which lets the runtime plan ahead.

    Raises:
        CheckpointError: the file is not a graph that OpenVINO knows.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        dtype: torch.dtype = torch.float32,
        num_threads: int | None = None,
        shapes: Mapping[str, list[int]] | None = None,
    ) -> None:
        core = openvino.Core()
        try:
            model = core.read_model(os.fspath(path))
            if shapes:
                model.reshape(dict(shapes))
            compiled = core.compile_model(
                model,
                "CPU",
                {
                    "PERFORMANCE_HINT": "LATENCY",
                    "INFERENCE_NUM_THREADS": num_threads or torch.get_num_threads(),
                    "INFERENCE_PRECISION_HINT": _HINTS[dtype],
                },
            )
        except RuntimeError as error:
            raise CheckpointError(
                f"{os.fspath(path)} is no graph that OpenVINO can load: {error}. Export it again."
            ) from error
        self._request = compiled.create_infer_request()
        self._lock = threading.Lock()
        self.metadata = _metadata(model)

    def run(self, inputs: Mapping[str, NDArray[np.generic]]) -> dict[str, NDArray[np.float32]]:
        """Return the outputs by name."""
        with self._lock:
            results = self._request.infer(dict(inputs))
            return {output.get_any_name(): np.array(value) for output, value in results.items()}


def _metadata(model: "openvino.Model") -> dict[str, str]:
    if not model.has_rt_info(METADATA_SECTION):
        return {}
    return {key: value.astype(str) for key, value in model.rt_info[METADATA_SECTION].items()}
