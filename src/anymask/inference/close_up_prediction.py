"""What was predicted about a part of an image, as a prediction about the whole."""

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.core.close_up import Region
from anymask.core.frames import ImageFrame
from anymask.inference.embedding import MaskPrediction
from anymask.inference.logits_grid import LogitsGrid, resample_logits
from anymask.inference.mask_input import SURE_LOGIT


@dataclass(frozen=True, kw_only=True, eq=False)
class CloseUpPrediction:
    """The M masks of a part of an image, as if they had been predicted in the whole.

    Attributes:
        part: the answer about the part alone.
        region: (x0, y0, x1, y1) of the part, whole pixels of the image.
        frame: the whole image's size and its way into the model's square.
    """

    part: MaskPrediction
    region: Region
    frame: ImageFrame

    def select(self, index: NDArray[np.int64]) -> "CloseUpPrediction":
        """Return the masks at `index` (K,), in its order."""
        return dataclasses.replace(self, part=self.part.select(index))

    @property
    def iou_predictions(self) -> NDArray[np.float32]:
        """(M,) float32 in [0, 1], the model's estimate of each mask's IoU."""
        return self.part.iou_predictions

    @property
    def best(self) -> int:
        """The index of the mask with the highest predicted IoU."""
        return self.part.best

    @cached_property
    def masks(self) -> NDArray[np.bool_]:
        """(M, H, W) bool in pixels of the whole image."""
        return self._place(self.part.masks, np.zeros(self._shape, dtype=np.bool_))

    @cached_property
    def mask_logits(self) -> NDArray[np.float32]:
        """(M, H, W) float32 logits in pixels of the whole image, sure background elsewhere."""
        whole = np.full(self._shape, -SURE_LOGIT, dtype=np.float32)
        return self._place(self.part.mask_logits, whole)

    @cached_property
    def low_res_logits(self) -> NDArray[np.float32]:
        """(M, h, w) float32 in the model frame of the whole image, coarser than what was seen.

        One of them, (1, h, w), can be the next prompt's `mask_input`.
        """
        x0, y0 = self.region[:2]
        logits = self.part.low_res_logits
        size = logits.shape[-1]
        part = LogitsGrid(frame=self.part.frame, corner=(x0, y0), size=size)
        whole = LogitsGrid(frame=self.frame, size=size)
        return np.stack([resample_logits(mask, part, whole) for mask in logits])

    @property
    def _shape(self) -> tuple[int, int, int]:
        return (len(self.iou_predictions), *self.frame.original_size)

    def _place(self, values: NDArray[Any], whole: NDArray[Any]) -> NDArray[Any]:
        x0, y0, x1, y1 = self.region
        whole[:, y0:y1, x0:x1] = values
        return whole
