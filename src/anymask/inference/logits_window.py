"""What must be kept of a mask's logits until it is known whether the mask stays.

Thousands of candidates wait for the end of a grid; of each only the logits about its foreground are
kept, unrounded, so that the mask made of them is the one that was measured.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from anymask.inference.mask_tensors import masks_to_boxes

# Cells that scaling up to full size may mix with one cell of the foreground, on each side.
_MARGIN_CELLS = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class LogitsWindow:
    """The part of a mask's logits (h, w) that its full-size mask depends on.

    Attributes:
        values: (rows, columns) float32.
        top: row of the first value in the whole.
        left: column of the first value in the whole.
    """

    values: Tensor
    top: int
    left: int

    def restored(self, mask_size: int, background: float) -> Tensor:
        """Return logits (mask_size, mask_size) float32, `background` outside of the window."""
        whole = self.values.new_full((mask_size, mask_size), background)
        rows, columns = self.values.shape
        whole[self.top : self.top + rows, self.left : self.left + columns] = self.values
        return whole


def windows_of(logits: Tensor, threshold: float) -> tuple[LogitsWindow, ...]:
    """Return the window of each mask, logits (K, h, w) above the threshold."""
    boxes = masks_to_boxes(logits > threshold).to(torch.int64)
    windows = []
    for mask, (x0, y0, x1, y1) in zip(logits, boxes.tolist(), strict=True):
        top, left = max(0, y0 - _MARGIN_CELLS), max(0, x0 - _MARGIN_CELLS)
        part = mask[top : y1 + _MARGIN_CELLS, left : x1 + _MARGIN_CELLS]
        windows.append(LogitsWindow(values=part.clone(), top=top, left=left))
    return tuple(windows)
