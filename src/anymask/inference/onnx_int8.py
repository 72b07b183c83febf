"""An encoder in int8: weights and activations, scaled by what they are on photographs."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.core.errors import MissingExtraError

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
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        calibrate_method=CalibrationMethod.MinMax,
        extra_options={"ActivationSymmetric": False, "WeightSymmetric": True},
    )
