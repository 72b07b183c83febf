"""An encoded image, and the masks predicted for one prompt: the values inference hands out."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray

from anymask.core.frames import ImageFrame
from anymask.inference.decoding import DecodableImage
from anymask.inference.mask_tensors import upscale_logits
from anymask.inference.mask_upscaling import MaskUpscaler
from anymask.model.features import ImageFeatures


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

    def prepared(
        self, mark: object, prepare: Callable[[ImageFeatures], DecodableImage]
    ) -> DecodableImage:
        """Return what `prepare` makes of the features, kept until another `mark` comes.

        The mark tells who asks: predictors of one model may compute in different types. Two threads
        that come first may both prepare.
        """
        kept: tuple[object, DecodableImage] | None = self.__dict__.get("_prepared")
        if kept is None or kept[0] is not mark:
            kept = mark, prepare(self.features)
            self.__dict__["_prepared"] = kept
        return kept[1]


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
        low_res_logits = torch.from_numpy(self.low_res_logits)
        return np.stack([upscale_logits(one, self.frame).numpy() for one in low_res_logits])

    @cached_property
    def masks(self) -> NDArray[np.bool_]:
        """(M, H, W) bool in pixels of the original image."""
        upscaler = MaskUpscaler(self.frame, self.low_res_logits.shape[-1], torch.device("cpu"))
        return upscaler.masks(torch.from_numpy(self.low_res_logits), self.mask_threshold)

    @property
    def best(self) -> int:
        """The index of the mask with the highest predicted IoU."""
        return int(self.iou_predictions.argmax())
