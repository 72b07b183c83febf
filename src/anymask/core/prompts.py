"""What is asked to be segmented: points, a box, an earlier mask, words; checked once."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.core.errors import InvalidInputError


class PointLabel(IntEnum):
    """What a point means to the prompt encoder; callers use the first two only."""

    BACKGROUND = 0
    FOREGROUND = 1
    BOX_TOP_LEFT = 2
    BOX_BOTTOM_RIGHT = 3
    PADDING = -1
    """The official model's "no point": a learnt embedding that does take part in attention."""
    ABSENT = -2
    """Fills the rows of ragged batches; excluded from attention."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Prompt:
    """One object asked for in one image; at least one part must be given, lists become arrays.

    Attributes:
        point_coords: (N, 2) float32 xy pixels of the original image.
        point_labels: (N,) int64, 1 foreground, 0 background; all foreground when left out.
        box: (4,) float32 xyxy pixels of the original image, half-open.
        mask_input: (1, h, w) float32 logits of an earlier prediction; (h, w) is accepted.
        text: words that name the object, white space tidied; needs a model with text (App. D.5).
    """

    # Given as anything array-like, after construction always the arrays named above.
    point_coords: Any = None
    point_labels: Any = None
    box: Any = None
    mask_input: Any = None
    text: Any = None

    def __post_init__(self) -> None:
        """Raise InvalidInputError for parts that are malformed or contradict each other."""
        if all(part is None for part in (self.point_coords, self.box, self.mask_input, self.text)):
            raise InvalidInputError(
                "prompt must have point_coords, box, mask_input or text, got none. "
                "Give at least one."
            )
        if self.point_coords is not None:
            points = _points(self.point_coords)
            object.__setattr__(self, "point_coords", points)
            object.__setattr__(self, "point_labels", _labels(self.point_labels, len(points)))
        elif self.point_labels is not None:
            raise InvalidInputError(
                "point_labels must come with point_coords, got labels alone. Add the points."
            )
        if self.box is not None:
            object.__setattr__(self, "box", _box(self.box))
        if self.mask_input is not None:
            object.__setattr__(self, "mask_input", _mask_input(self.mask_input))
        if self.text is not None:
            object.__setattr__(self, "text", _text(self.text))

    @property
    def num_points(self) -> int:
        """The number N of points, 0 without any; the box's corners do not count."""
        return 0 if self.point_coords is None else len(self.point_coords)

    def check_inside(self, original_size: tuple[int, int]) -> None:
        """Raise InvalidInputError for a point outside, or a box beside, an image of this (H, W)."""
        height, width = original_size
        size = f"the image of {width} x {height} pixels (width x height)"
        if self.point_coords is not None:
            outside = ((self.point_coords < 0) | (self.point_coords > (width, height))).any(axis=1)
            if outside.any():
                x, y = self.point_coords[np.argmax(outside)]
                raise InvalidInputError(
                    f"point_coords must lie inside {size}, got ({x:g}, {y:g}). "
                    "Give x, y in pixels of the original image."
                )
        if self.box is not None:
            x0, y0, x1, y1 = self.box
            if x0 >= width or y0 >= height or x1 <= 0 or y1 <= 0:
                raise InvalidInputError(
                    f"box must overlap {size}, got ({x0:g}, {y0:g}, {x1:g}, {y1:g}). "
                    "Give xyxy in pixels of the original image."
                )


def _points(value: ArrayLike) -> NDArray[np.float32]:
    points = _finite("point_coords", value)
    if points.ndim != 2 or points.shape[1] != 2 or not len(points):
        raise InvalidInputError(
            f"point_coords must have shape (N, 2) with N at least 1, got {points.shape}. "
            "Pass [[x, y], ...]."
        )
    return points


def _labels(value: ArrayLike | None, num_points: int) -> NDArray[np.int64]:
    if value is None:
        return np.full(num_points, PointLabel.FOREGROUND, dtype=np.int64)
    labels = _finite("point_labels", value)
    if labels.shape != (num_points,):
        raise InvalidInputError(
            f"point_labels must have one label per point, got shape {labels.shape} for "
            f"{num_points} points. Pass a list of {num_points}."
        )
    is_wrong = ~np.isin(labels, (PointLabel.BACKGROUND, PointLabel.FOREGROUND))
    if is_wrong.any():
        raise InvalidInputError(
            "point_labels must be 1 (foreground) or 0 (background), got "
            f"{labels[np.argmax(is_wrong)]:g}. Pass boxes as box."
        )
    return labels.astype(np.int64)


def _box(value: ArrayLike) -> NDArray[np.float32]:
    box = _finite("box", value)
    if box.shape != (4,):
        raise InvalidInputError(
            f"box must be one xyxy box of shape (4,), got {box.shape}. Make a Prompt for each box."
        )
    x0, y0, x1, y1 = box
    if x0 >= x1 or y0 >= y1:
        raise InvalidInputError(
            "box must be xyxy with x0 < x1 and y0 < y1, got "
            f"({x0:g}, {y0:g}, {x1:g}, {y1:g}). Pass corners, not x, y, width, height."
        )
    return box


def _mask_input(value: ArrayLike) -> NDArray[np.float32]:
    mask = _finite("mask_input", value)
    if mask.ndim == 2:
        mask = mask[None]
    if mask.ndim != 3 or mask.shape[0] != 1 or not mask.size:
        raise InvalidInputError(
            f"mask_input must have shape (1, h, w), got {mask.shape}. "
            "Pass one of an earlier prediction's low_res_logits."
        )
    return mask


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise InvalidInputError(
            f"text must be a string, got {type(value).__name__}. Make a Prompt for each phrase."
        )
    tidy = " ".join(value.split())
    if not tidy:
        raise InvalidInputError(
            f'text must have a word, got {value!r}. Name what to look for, e.g. "red car".'
        )
    return tidy


def _finite(name: str, value: ArrayLike) -> NDArray[np.float32]:
    """Return a float32 copy of the value; InvalidInputError unless it is all finite numbers."""
    try:
        array = np.array(value, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(
            f"{name} must be numbers in even rows, got something else ({error}). Pass plain lists."
        ) from error
    if not np.isfinite(array).all():
        raise InvalidInputError(
            f"{name} must be finite, got NaN or infinity. Check how it was computed."
        )
    return array
