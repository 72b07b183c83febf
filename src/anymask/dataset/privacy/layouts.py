"""How the outputs of a detector's file are read: three layouts, each a pure function.

The outputs come as arrays in the file's own order; boxes go out as xyxy pixels of the network's
input, with scores.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.core.errors import InvalidInputError

FloatArray = NDArray[np.floating[Any]]
Found = tuple[NDArray[np.float64], NDArray[np.float64]]  # boxes (N, 4) xyxy, scores (N,)

_CENTERFACE_STRIDE = 4
_YUNET_STRIDES = (8, 16, 32)


def read_centerface(
    outputs: Sequence[FloatArray], input_size: tuple[int, int], score_thresh: float
) -> Found:
    """Read CenterFace (Xu et al. 2019): a heat map of centres with logarithmic sizes and offsets.

    Args:
        outputs: heat map (1, 1, h, w) of probabilities, sizes (1, 2, h, w) as height and width,
            offsets (1, 2, h, w) as y and x; more outputs (landmarks) are left.
        input_size: (H, W) of the network's input; unused.
        score_thresh: lower ones are left out.
    """
    heat, sizes, offsets = (output[0] for output in outputs[:3])
    rows, columns = np.nonzero(heat[0] >= score_thresh)
    spot = (slice(None), rows, columns)
    height, width = np.exp(sizes[spot].astype(np.float64)) * _CENTERFACE_STRIDE
    down, across = offsets[spot].astype(np.float64)
    x = (columns + across + 0.5) * _CENTERFACE_STRIDE
    y = (rows + down + 0.5) * _CENTERFACE_STRIDE
    return _from_centres(x, y, width, height), heat[0][rows, columns].astype(np.float64)


def read_yunet(
    outputs: Sequence[FloatArray], input_size: tuple[int, int], score_thresh: float
) -> Found:
    """Read YuNet (Wu et al. 2023): cells of three strides, each with two probabilities and a box.

    Args:
        outputs: as OpenCV's model zoo writes them, each (1, cells, C): classes of strides 8, 16,
            32 (C = 1), then objectness (1), then boxes (4) as centre and logarithmic size in
            strides; more outputs (landmarks) are left.
        input_size: (H, W) of the network's input.
        score_thresh: lower ones, of the geometric mean of both probabilities, are left out.
    """
    boxes, scores = [], []
    for i, stride in enumerate(_YUNET_STRIDES):
        of_class, of_object, box = (
            np.asarray(outputs[i + 3 * k], np.float64).reshape(-1, size)
            for k, size in enumerate((1, 1, 4))
        )
        score = np.sqrt(np.clip(of_class, 0, 1) * np.clip(of_object, 0, 1))[:, 0]
        kept = np.flatnonzero(score >= score_thresh)
        rows, columns = np.divmod(kept, input_size[1] // stride)
        x, y = columns + box[kept, 0], rows + box[kept, 1]
        width, height = np.exp(box[kept, 2:]).T
        boxes.append(_from_centres(x, y, width, height) * stride)
        scores.append(score[kept])
    return np.concatenate(boxes), np.concatenate(scores)


def read_rows(
    outputs: Sequence[FloatArray], input_size: tuple[int, int], score_thresh: float
) -> Found:
    """Read finished boxes, as of detectors with suppression inside (EgoBlur, end-to-end YOLO).

    Args:
        outputs: boxes (N, 4) xyxy and scores (N,); or one table whose rows are x0, y0, x1, y1,
            score (5 columns), the same and a class (6), or batch, x0, y0, x1, y1, class, score
            (7). Leading axes of 1 are dropped.
        input_size: (H, W) of the network's input; unused.
        score_thresh: lower ones are left out.

    Raises:
        InvalidInputError: other shapes.
    """
    table, *others = (np.asarray(output, np.float64) for output in outputs)
    num_columns = table.shape[-1] if table.ndim else 0
    rows = table.reshape(-1, num_columns) if num_columns else table
    if num_columns == 4 and others and others[0].size == len(rows):
        boxes, score = rows, others[0].reshape(-1)
    elif num_columns in (5, 6):
        boxes, score = rows[:, :4], rows[:, 4]
    elif num_columns == 7:
        boxes, score = rows[:, 1:5], rows[:, 6]
    else:
        shapes = ", ".join(str(np.shape(output)) for output in outputs)
        raise InvalidInputError(
            f"outputs must be boxes (N, 4) and scores (N,), or rows of 5, 6 or 7, got {shapes}. "
            "Name the right outputs, or choose another layout."
        )
    kept = score >= score_thresh
    return boxes[kept], score[kept]


def _from_centres(
    x: FloatArray, y: FloatArray, width: FloatArray, height: FloatArray
) -> NDArray[np.float64]:
    sides = [x - width / 2, y - height / 2, x + width / 2, y + height / 2]
    return np.stack(sides, axis=-1).astype(np.float64)


LAYOUTS: dict[str, Callable[[Sequence[FloatArray], tuple[int, int], float], Found]] = {
    "centerface": read_centerface,
    "yunet": read_yunet,
    "rows": read_rows,
}
