"""An encoded image, and the masks predicted for one prompt: the values inference hands out."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from anymask.core.frames import ImageFrame
from anymask.inference.mask_tensors import upscale_logits
from anymask.model.features import ImageFeatures
from anymask.model.two_way_transformer import PreparedCells


@dataclass(frozen=True, kw_only=True, eq=False)
class ImageEmbedding:
    """One encoded image; it can be kept and prompted any number of times.

    Attributes:
        features: of one image (B = 1).
        frame: the image's size and its way into the model's square.
        model_id: the model that made it; no other model can read it.
    """

    features: ImageFeatures
    frame: ImageFrame
    model_id: str

    def prepared(self, prepare: Callable[[ImageFeatures], PreparedCells]) -> PreparedCells:
        """Return what `prepare` makes of the features; it is asked once and the answer kept.

        Two threads that come first may both ask, and then share one answer.
        """
        if "_prepared" not in self.__dict__:
            self.__dict__.setdefault("_prepared", prepare(self.features))
        return self.__dict__["_prepared"]  # type: ignore[no-any-return]


@dataclass(frozen=True, kw_only=True, eq=False)
class MaskPrediction:
    """The M masks predicted for one prompt.

    Attributes:
        low_res_logits: (M, h, w) float32 in the model frame; one of them, (1, h, w), can be the
            next prompt's `mask_input`.
        iou_predictions: (M,) float32 in [0, 1], the model's estimate of each mask's IoU.
        frame: the image's size and its way into the model's square.
        mask_threshold: logits above it are foreground.
    """

    low_res_logits: NDArray[np.float32]
    iou_predictions: NDArray[np.float32]
    frame: ImageFrame
    mask_threshold: float

    def select(self, index: NDArray[np.int64]) -> "MaskPrediction":
        """Return the masks at `index` (K,), in its order."""
        return dataclasses.replace(
            self,
            low_res_logits=self.low_res_logits[index],
            iou_predictions=self.iou_predictions[index],
        )

    @cached_property
    def mask_logits(self) -> NDArray[np.float32]:
        """(M, H, W) float32 logits in pixels of the original image."""
        return np.stack([self._full_size(logits) for logits in self.low_res_logits])

    @cached_property
    def masks(self) -> NDArray[np.bool_]:
        """(M, H, W) bool in pixels of the original image."""
        # One at a time: the floats of three large masks need not exist together.
        return np.stack(
            [self._full_size(logits) > self.mask_threshold for logits in self.low_res_logits]
        )

    @property
    def best(self) -> int:
        """The index of the mask with the highest predicted IoU."""
        return int(self.iou_predictions.argmax())

    def _full_size(self, logits: NDArray[np.float32]) -> NDArray[np.float32]:
        full: NDArray[np.float32] = upscale_logits(torch.from_numpy(logits), self.frame).numpy()
        return full
