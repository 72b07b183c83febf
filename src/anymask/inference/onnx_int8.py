"""An encoder in int8: weights and activations, scaled by what they are on photographs."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.core.errors import MissingExtraError
from anymask.inference.onnx_export import node_names

try:
    from onnxruntime.quantization import (
        CalibrationDataReader,
        CalibrationMethod,
        QuantFormat,
        QuantType,
        quantize_static,
    )
except ImportError:
    raise MissingExtraError("onnxruntime", "onnx") from None

# The costly ones. All else stays float32: norms, softmax and sums gain nothing and lose much.
_QUANTISED = ["Conv", "MatMul", "Gemm"]
# Of these, what sees the image first and what makes the outputs stay so too: few multiplications,
# which make half of the default model's loss of mean IoU.
_KEPT = tuple(
    f"/image_encoder/{module}/"
    for module in ("stem", "patch_embed", "neck", "smooth", "skip4", "skip8", "top_down8")
)


class _Photographs(CalibrationDataReader):  # type: ignore[misc]  # the library has no types
    """Images (H, W, 3) uint8, resized to the model's side, as the calibrator asks for them."""

    def __init__(self, images: Iterable[NDArray[np.uint8]]) -> None:
        self._images: Iterator[NDArray[np.uint8]] = iter(images)

    def get_next(self) -> dict[str, Any] | None:
        """The inputs of the next run, None at the end."""
        image = next(self._images, None)
        return None if image is None else {"images": image[None]}


def quantise_encoder(
    source: str | os.PathLike[str],
    target: str | os.PathLike[str],
    images: Iterable[NDArray[np.uint8]],
) -> None:
    """Write an encoder.onnx with int8 convolutions and matrix products (QDQ).

    The first ones, which see the image, and the last ones, which make the outputs, stay float32.

    Args:
        source: the float32 encoder.
        target: the new file.
        images: (H, W, 3) uint8 photographs, resized so that the longer side is the model's.
    """
    quantize_static(
        Path(source),
        Path(target),
        _Photographs(images),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=_QUANTISED,
        nodes_to_exclude=[name for name in node_names(source) if name.startswith(_KEPT)],
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        calibrate_method=CalibrationMethod.MinMax,
        extra_options={
            "ActivationSymmetric": False,
            "WeightSymmetric": True,
            # the mean over photographs of their extremes: one with glare does not coarsen all steps
            "CalibMovingAverage": True,
        },
    )
