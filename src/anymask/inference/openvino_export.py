"""ONNX files as OpenVINO's: an .xml with its weights in a .bin beside it."""

import os
from collections.abc import Mapping

from anymask.core.errors import MissingExtraError
from anymask.inference.openvino_runtime import METADATA_SECTION

try:
    import openvino
except ImportError:
    raise MissingExtraError("openvino", "openvino") from None


def onnx_to_openvino(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    metadata: Mapping[str, str],
    *,
    half_weights: bool,
) -> None:
    """Write `target` (.xml) and its .bin with the graph of an ONNX file and text fields.

    With `half_weights` the weights are stored as float16, which changes nothing else.
    """
    model = openvino.convert_model(os.fspath(source))
    for key, value in metadata.items():
        model.set_rt_info(value, [METADATA_SECTION, key])
    openvino.save_model(model, os.fspath(target), compress_to_fp16=half_weights)
