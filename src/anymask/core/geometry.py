"""Boxes and masks as plain arrays: conversions, overlaps and non-maximum suppression.

Boxes are xyxy, float, half-open: x1 - x0 is the width in pixels. P and Q count boxes.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.core.errors import InvalidInputError

FloatArray = NDArray[np.floating[Any]]
BoolArray = NDArray[np.bool_]


def xyxy_to_xywh(boxes: ArrayLike) -> FloatArray:
    """Return boxes (..., 4) as x, y, width, height.

    >>> xyxy_to_xywh([1, 2, 4, 6]).tolist()
    [1.0, 2.0, 3.0, 4.0]
    """
    array = _as_boxes(boxes)
    return np.concatenate([array[..., :2], array[..., 2:] - array[..., :2]], axis=-1)


def xywh_to_xyxy(boxes: ArrayLike) -> FloatArray:
    """Return boxes (..., 4) given as x, y, width, height as half-open corners.

    >>> xywh_to_xyxy([1, 2, 3, 4]).tolist()
    [1.0, 2.0, 4.0, 6.0]
    """
    array = _as_boxes(boxes)
    return np.concatenate([array[..., :2], array[..., :2] + array[..., 2:]], axis=-1)


def box_area(boxes: ArrayLike) -> FloatArray:
    """Return the areas (...) in square pixels of boxes (..., 4); a swapped box has area 0.

    >>> box_area([[1, 2, 4, 6], [3, 3, 3, 9]]).tolist()
    [12.0, 0.0]
    """
    array = _as_boxes(boxes)
    sides = np.clip(array[..., 2:] - array[..., :2], 0, None)
    return sides[..., 0] * sides[..., 1]


def box_iou(a: ArrayLike, b: ArrayLike) -> FloatArray:
    """Return the intersection over union (P, Q) of boxes a (P, 4) and b (Q, 4).

    It is 0 where both boxes are empty.

    >>> box_iou([[0, 0, 2, 2]], [[1, 0, 3, 2], [5, 5, 6, 6]]).round(3).tolist()
    [[0.333, 0.0]]
    """
    first, second = _as_boxes(a).reshape(-1, 4), _as_boxes(b).reshape(-1, 4)
    return _iou(first[:, None], second[None, :], box_area(first)[:, None], box_area(second)[None])


def non_max_suppression(
    boxes: ArrayLike, scores: ArrayLike, iou_thresh: float
) -> NDArray[np.int64]:
    """Return the indices of the boxes kept, best score first.

    A box goes when its IoU with a better kept one is above `iou_thresh`; of equal scores the lower
    index counts as better.

    Args:
        boxes: (P, 4) xyxy.
        scores: (P,), higher is better.
        iou_thresh: between 0 and 1; 1 keeps everything.

    Raises:
        InvalidInputError: scores are not one per box.

    >>> boxes = [[0, 0, 9, 9], [0, 0, 9, 8], [20, 0, 29, 9]]
    >>> non_max_suppression(boxes, [0.5, 0.9, 0.7], 0.7).tolist()
    [1, 2]
    """
    array = _as_boxes(boxes).reshape(-1, 4)
    score_array = np.asarray(scores, dtype=np.float64)
    if score_array.shape != (len(array),):
        raise InvalidInputError(
            f"scores must hold one number per box, got shape {score_array.shape} for "
            f"{len(array)} boxes. Pass scores of shape ({len(array)},)."
        )
    areas = box_area(array)
    remaining = np.argsort(-score_array, kind="stable")
    kept: list[int] = []
    while len(remaining):
        best, rest = remaining[0], remaining[1:]
        kept.append(int(best))
        overlap = _iou(array[best], array[rest], areas[best], areas[rest])
        remaining = rest[overlap <= iou_thresh]
    return np.asarray(kept, dtype=np.int64)


def mask_to_box(mask: ArrayLike) -> NDArray[np.float32]:
    """Return the half-open box (4,) float32 xyxy of a mask (H, W) bool, zeros when it is empty.

    >>> mask_to_box([[False, False, False], [False, True, True]]).tolist()
    [1.0, 1.0, 3.0, 2.0]
    """
    array = _as_mask("mask", mask)
    rows, columns = np.flatnonzero(array.any(axis=1)), np.flatnonzero(array.any(axis=0))
    if not len(rows):
        return np.zeros(4, dtype=np.float32)
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], dtype=np.float32)


def mask_iou(a: ArrayLike, b: ArrayLike) -> float:
    """Return the intersection over union of two masks (H, W) bool; two empty masks agree: 1.0.

    Raises:
        InvalidInputError: the masks differ in shape.

    >>> mask_iou([[True, True, False]], [[False, True, True]])
    0.3333333333333333
    """
    first, second = _as_mask("a", a), _as_mask("b", b)
    if first.shape != second.shape:
        raise InvalidInputError(
            f"masks must have the same shape, got {first.shape} and {second.shape}. "
            "Bring both to one image size first."
        )
    union = int(np.count_nonzero(first | second))
    return int(np.count_nonzero(first & second)) / union if union else 1.0


def _iou(a: FloatArray, b: FloatArray, area_a: FloatArray, area_b: FloatArray) -> FloatArray:
    """Return the IoU of boxes that broadcast against each other, their areas given."""
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    sides = np.clip(sides, 0, None)
    intersection = sides[..., 0] * sides[..., 1]
    union = area_a + area_b - intersection
    iou: FloatArray = np.divide(
        intersection, union, out=np.zeros_like(intersection), where=union > 0
    )
    return iou


def _as_boxes(boxes: ArrayLike) -> FloatArray:
    array = np.asarray(boxes)
    if not np.issubdtype(array.dtype, np.floating):
        array = array.astype(np.float64)
    if array.shape == (0,):
        return array.reshape(0, 4)
    if array.ndim == 0 or array.shape[-1] != 4:
        raise InvalidInputError(
            f"boxes must have shape (..., 4), got {array.shape}. Pass x0, y0, x1, y1 per box."
        )
    return array


def _as_mask(name: str, mask: ArrayLike) -> BoolArray:
    array = np.asarray(mask)
    if array.ndim != 2 or array.dtype != np.bool_:
        raise InvalidInputError(
            f"{name} must be a bool array of shape (H, W), got {array.dtype} {array.shape}. "
            "Use mask > threshold."
        )
    return array
