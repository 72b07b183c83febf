"""Intersection over union of several masks with one target."""

import numpy as np
from numpy.typing import NDArray

from anymask.evaluation.protocol import BoolArray


def masks_iou(masks: BoolArray, target: BoolArray) -> NDArray[np.float64]:
    """Return (M,) the IoU of each of `masks` (M, H, W) with `target` (H, W); 1.0 if both are empty.

    Example:
        >>> target = np.array([[True, True, False]])
        >>> masks_iou(np.array([[[True, False, False]], [[True, True, True]]]), target)
        array([0.5       , 0.66666667])
    """
    target_area = np.count_nonzero(target)
    ious = np.ones(len(masks))
    for i, mask in enumerate(masks):
        intersection = np.count_nonzero(mask & target)
        union = np.count_nonzero(mask) + target_area - intersection
        if union:
            ious[i] = intersection / union
    return ious
