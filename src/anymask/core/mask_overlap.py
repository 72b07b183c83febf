"""How far masks overlap, from their run lengths: no pixel is decoded."""

import numpy as np
from numpy.typing import NDArray

from anymask.core.rle import Rle


def rle_iou(a: Rle, b: Rle) -> float:
    """Return the IoU of two masks of one size, from their runs; 0 where both are empty.

    >>> first, second = np.eye(4, dtype=bool), np.ones((4, 4), dtype=bool)
    >>> rle_iou(Rle.from_mask(first), Rle.from_mask(second))
    0.25
    """
    positions, foreground = _foreground_before(b)
    ends, _ = _foreground_before(a)
    before = np.interp(ends, positions, foreground)
    common = np.diff(before)[1::2].sum()
    union = a.area + b.area - common
    return float(common / union) if union else 0.0


def _foreground_before(rle: Rle) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where each run begins or the last one ends, and how many foreground pixels lie before."""
    lengths = np.concatenate([[0], rle.counts])
    own = lengths.copy()
    own[1::2] = 0  # runs of background
    return np.cumsum(lengths), np.cumsum(own)
