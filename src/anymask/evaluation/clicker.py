"""The simulated annotator of the paper (App. D.1): it clicks where the error is widest."""

from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from anymask.core.prompts import PointLabel
from anymask.evaluation.protocol import BoolArray, FloatArray


@dataclass(frozen=True, kw_only=True)
class Click:
    """One click on pixel (x, y) of the original frame with its label."""

    x: int
    y: int
    label: PointLabel


@dataclass(frozen=True, kw_only=True)
class Peak:
    """The pixel of a region that is farthest from its boundary, `distance` pixels away."""

    distance: float
    x: int
    y: int


def next_click(target: BoolArray, mask: BoolArray | None = None) -> Click | None:
    """Return the click that corrects `mask` towards `target` (both (H, W)), None if they agree.

    Missed pixels form one region, wrongly covered ones another. The click goes to the pixel of
    either that is farthest from its region's boundary, the image border being boundary too;
    among equals to the first in raster order. Without a mask it is the first click.
    """
    if mask is None:
        return _to_click(find_peak(target), PointLabel.FOREGROUND)
    missed = find_peak(target & ~mask)
    wrong = find_peak(mask & ~target, at_least=missed.distance if missed else 0.0)
    if missed is None or (wrong is not None and _rank(wrong) < _rank(missed)):
        return _to_click(wrong, PointLabel.BACKGROUND)
    return _to_click(missed, PointLabel.FOREGROUND)


def random_click(target: BoolArray, rng: np.random.Generator) -> Click | None:
    """Return a first click on a pixel drawn uniformly from `target` (H, W), None if it is empty."""
    inside = np.flatnonzero(target)
    if inside.size == 0:
        return None
    y, x = divmod(int(inside[rng.integers(inside.size)]), target.shape[1])
    return Click(x=x, y=y, label=PointLabel.FOREGROUND)


def _to_click(peak: Peak | None, label: PointLabel) -> Click | None:
    return None if peak is None else Click(x=peak.x, y=peak.y, label=label)


def _rank(peak: Peak) -> tuple[float, int, int]:
    return (-peak.distance, peak.y, peak.x)


def find_peak(region: BoolArray, at_least: float = 0.0) -> Peak | None:
    """Return the region's farthest pixel; None if it is empty or must lie nearer than `at_least`.

    Only the bounding box is searched: what lies outside it is not region, so one ring of padding
    gives the same distances.
    """
    rows = np.flatnonzero(region.any(axis=1))
    if rows.size == 0:
        return None
    y0, y1 = int(rows[0]), int(rows[-1]) + 1
    columns = np.flatnonzero(region[y0:y1].any(axis=0))
    x0, x1 = int(columns[0]), int(columns[-1]) + 1
    if (min(y1 - y0, x1 - x0) + 1) / 2 < at_least:
        return None
    distances = _distances(np.pad(region[y0:y1, x0:x1].view(np.uint8), 1))
    y, x = divmod(int(distances.argmax()), distances.shape[1])
    return Peak(distance=float(distances[y, x]), x=x0 + x - 1, y=y0 + y - 1)


def _distances(padded: NDArray[np.uint8]) -> FloatArray:
    """Return each region pixel's exact Euclidean distance to the nearest pixel outside."""
    if find_spec("cv2") is None:
        exact: FloatArray = ndimage.distance_transform_edt(padded).astype(np.float32)
        return exact
    import cv2

    return np.asarray(cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE), np.float32)
