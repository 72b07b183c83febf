"""One click answered twice, from the whole image and from close by: the three best of six masks.

A click says nothing about size. The whole image shows best what is large, a close-up what is small;
which of the two was meant is as open as which of a model's three masks, so both are candidates.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.inference.close_up_prediction import CloseUpPrediction
from anymask.inference.embedding import MaskPrediction
from anymask.inference.logits_grid import LogitsGrid, resample_logits

# Above this overlap two masks are one answer, given twice.
_SAME_IOU = 0.7
_NUM_MASKS = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class TwoViewPrediction:
    """Masks of one prompt chosen among those of two answers, best first.

    Attributes:
        parts: one or two answers of which only the chosen masks are left.
    """

    parts: tuple[MaskPrediction | CloseUpPrediction, ...]

    @cached_property
    def iou_predictions(self) -> NDArray[np.float32]:
        """(M,) float32 in [0, 1], the model's estimate of each mask's IoU."""
        return self._sorted([part.iou_predictions for part in self.parts])

    @property
    def best(self) -> int:
        """The index of the mask with the highest predicted IoU."""
        return int(self.iou_predictions.argmax())

    @cached_property
    def masks(self) -> NDArray[np.bool_]:
        """(M, H, W) bool in pixels of the image."""
        return self._sorted([part.masks for part in self.parts])

    @cached_property
    def mask_logits(self) -> NDArray[np.float32]:
        """(M, H, W) float32 logits in pixels of the image."""
        return self._sorted([part.mask_logits for part in self.parts])

    @cached_property
    def low_res_logits(self) -> NDArray[np.float32]:
        """(M, h, w) float32 in the model frame; one of them can be the next `mask_input`."""
        return self._sorted([part.low_res_logits for part in self.parts])

    def _sorted(self, values: list[NDArray[Any]]) -> NDArray[Any]:
        """The values of all parts (M, ...), those of the best mask first."""
        scores = np.concatenate([part.iou_predictions for part in self.parts])
        both: NDArray[Any] = np.concatenate(values)
        return both[np.argsort(-scores, kind="stable")]


def choose_masks(whole: MaskPrediction, close: CloseUpPrediction) -> TwoViewPrediction:
    """Return the best distinct masks of two answers to one prompt, by their predicted IoU.

    A mask that the edge of the close-up cuts off is of something larger, and left to the whole.
    """
    close = close.select(np.flatnonzero(~_is_cut(close)))
    scores = np.concatenate([whole.iou_predictions, close.iou_predictions])
    same = _overlaps(whole, close) > _SAME_IOU
    chosen: list[int] = []
    repeated: list[int] = []
    for index in np.argsort(-scores, kind="stable").tolist():
        (repeated if same[index, chosen].any() else chosen).append(index)
    kept = np.array((chosen + repeated)[:_NUM_MASKS])
    num_whole = len(whole.iou_predictions)
    parts = (
        whole.select(kept[kept < num_whole]),
        close.select(kept[kept >= num_whole] - num_whole),
    )
    return TwoViewPrediction(parts=tuple(part for part in parts if len(part.iou_predictions)))


def _is_cut(close: CloseUpPrediction) -> NDArray[np.bool_]:
    """(M,): the mask reaches an edge of the part that is not one of the image."""
    rows, columns = _grid(close.part).num_cells
    inside = close.part.low_res_logits[:, :rows, :columns] > close.part.mask_threshold
    x0, y0, x1, y1 = close.region
    height, width = close.frame.original_size
    cut = np.zeros(len(inside), dtype=np.bool_)
    for is_edge, cells in (
        (x0 > 0, inside[:, :, 0]),
        (y0 > 0, inside[:, 0]),
        (x1 < width, inside[:, :, -1]),
        (y1 < height, inside[:, -1]),
    ):
        cut |= is_edge & cells.any(axis=1)
    return cut


def _overlaps(whole: MaskPrediction, close: CloseUpPrediction) -> NDArray[np.float64]:
    """(N, N) IoU of all masks, those of the whole first, on the close-up's finer grid."""
    near, far = _grid(close.part, close.region[:2]), _grid(whole)
    rows, columns = near.num_cells
    logits = np.stack([resample_logits(mask, far, near) for mask in whole.low_res_logits])
    threshold = whole.mask_threshold
    masks = np.concatenate([logits, close.part.low_res_logits])[:, :rows, :columns] > threshold
    areas = masks.sum(axis=(1, 2)) * near.cell_px.prod()
    # What the whole's masks cover beyond the close-up counts, too.
    entire = (whole.low_res_logits > threshold).sum(axis=(1, 2)) * far.cell_px.prod()
    areas[: len(entire)] = np.maximum(areas[: len(entire)], entire)
    overlaps = np.eye(len(masks))
    for i, j in combinations(range(len(masks)), 2):
        shared = (masks[i] & masks[j]).sum() * near.cell_px.prod()
        union = areas[i] + areas[j] - shared
        overlaps[i, j] = overlaps[j, i] = shared / union if union else 1.0
    return overlaps


def _grid(prediction: MaskPrediction, corner: tuple[int, int] = (0, 0)) -> LogitsGrid:
    size = prediction.low_res_logits.shape[-1]
    return LogitsGrid(frame=prediction.frame, corner=corner, size=size)
