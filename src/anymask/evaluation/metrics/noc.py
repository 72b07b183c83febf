"""Number of clicks (NoC) that an annotator needs to reach a wanted IoU."""

import numpy as np
from numpy.typing import NDArray

from anymask.evaluation.protocol import FloatArray

MAX_CLICKS = 20  # Number of clicks after which the literature on interactive segmentation gives up.


def number_of_clicks(ious: FloatArray, threshold: float) -> NDArray[np.int64]:
    """Return (K,) the first click at which `ious` (K, clicks) reaches `threshold`.

    A mask that never does counts all clicks made, in the literature 20.
    """
    reached = np.asarray(ious) >= threshold
    first: NDArray[np.int64] = reached.argmax(axis=1) + 1
    return np.where(reached.any(axis=1), first, reached.shape[1])
