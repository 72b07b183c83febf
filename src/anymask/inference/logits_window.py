"""What must be kept of a mask's logits until it is known whether the mask stays.

Thousands of candidates wait for the end of a grid; of each only the logits about its foreground are
kept, in half precision and relative to the threshold, where precision counts.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from anymask.inference.mask_tensors import masks_to_boxes

# Cells that scaling up to full size may mix with one cell of the foreground, on each side.
_MARGIN_CELLS = 3
_BACKGROUND = -1.0


@dataclass(frozen=True, kw_only=True, eq=False)
class LogitsWindow:
    """The part of a mask's logits (h, w) that its full-size mask depends on.

    Attributes:
        values: (rows, columns) float16, logits less the mask threshold.
        top: row of the first value in the whole.
        left: column of the first value in the whole.
    """

    values: Tensor
    top: int
    left: int

    def restored(self, mask_size: int) -> Tensor:
        """Return logits (mask_size, mask_size) float32 whose mask at threshold 0 is the same."""
        whole = self.values.new_full((mask_size, mask_size), _BACKGROUND, dtype=torch.float32)
        rows, columns = self.values.shape
        whole[self.top : self.top + rows, self.left : self.left + columns] = self.values
        return whole


def windows_of(logits: Tensor, threshold: float) -> tuple[LogitsWindow, ...]:
    """Return the window of each mask of logits (K, h, w)."""
    relative = logits - threshold
    boxes = masks_to_boxes(relative > 0).to(torch.int64)
    limit = torch.finfo(torch.float16).max
    halves = relative.clamp(-limit, limit).to(torch.float16)
    windows = []
    for half, (x0, y0, x1, y1) in zip(halves, boxes.tolist(), strict=True):
        top, left = max(0, y0 - _MARGIN_CELLS), max(0, x0 - _MARGIN_CELLS)
        part = half[top : y1 + _MARGIN_CELLS, left : x1 + _MARGIN_CELLS]
        windows.append(LogitsWindow(values=part.clone(), top=top, left=left))
    return tuple(windows)
