"""The way between an image and the model's square: all resize arithmetic there is."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.core.errors import InvalidInputError

# The reference scales raw pixel indices and adds half a pixel only afterwards, in the model frame,
# instead of scaling the pixel's centre. A point so lies up to 0.5 * |scale - 1| model pixels from
# exact geometry, but the official weights learned it that way: doing it "right" would shift clicks.
PIXEL_CENTER_OFFSET = 0.5


@dataclass(frozen=True, kw_only=True)
class ImageFrame:
    """One image's size and the side of the model square it is scaled into (longest side fits).

    Attributes:
        original_size: (H, W) of the image in pixels.
        image_size: side S of the model's square input in pixels.
    """

    original_size: tuple[int, int]
    image_size: int

    def __post_init__(self) -> None:
        """Raise InvalidInputError for sizes below one pixel."""
        if len(self.original_size) != 2 or min(self.original_size) < 1:
            raise InvalidInputError(
                f"original_size must be (H, W), both at least 1, got {self.original_size}. "
                "Pass image.shape[:2]."
            )
        if self.image_size < 1:
            raise InvalidInputError(
                f"image_size must be at least 1, got {self.image_size}. Pass the model's side."
            )

    @property
    def input_size(self) -> tuple[int, int]:
        """The (H, W) of the scaled image inside the square, before padding.

        >>> ImageFrame(original_size=(1500, 2250), image_size=1024).input_size
        (683, 1024)
        """
        height, width = self.original_size
        scale = self.image_size / max(height, width)
        return max(1, int(height * scale + 0.5)), max(1, int(width * scale + 0.5))

    def points_to_model(self, point_coords: ArrayLike) -> NDArray[np.float32]:
        """Return points (..., 2) xy of the original image as float32 xy of the model frame.

        >>> ImageFrame(original_size=(4, 8), image_size=16).points_to_model([3, 1]).tolist()
        [6.5, 2.5]
        """
        points = _as_pairs("point_coords", point_coords)
        return (points * self._scale_xy + PIXEL_CENTER_OFFSET).astype(np.float32)

    def points_to_original(self, model_point_coords: ArrayLike) -> NDArray[np.float32]:
        """Return points (..., 2) xy of the model frame as float32 xy of the original image."""
        points = _as_pairs("model_point_coords", model_point_coords)
        return ((points - PIXEL_CENTER_OFFSET) / self._scale_xy).astype(np.float32)

    def boxes_to_model(self, boxes: ArrayLike) -> NDArray[np.float32]:
        """Return boxes (..., 4) xyxy of the original image as float32 xyxy of the model frame."""
        corners = _as_corners("boxes", boxes)
        return self.points_to_model(corners).reshape(*corners.shape[:-2], 4)

    def boxes_to_original(self, model_boxes: ArrayLike) -> NDArray[np.float32]:
        """Return boxes (..., 4) xyxy of the model frame as float32 xyxy of the original image."""
        corners = _as_corners("model_boxes", model_boxes)
        return self.points_to_original(corners).reshape(*corners.shape[:-2], 4)

    @property
    def _scale_xy(self) -> NDArray[np.float64]:
        # Per axis, as the sides are rounded apart.
        (height, width), (input_height, input_width) = self.original_size, self.input_size
        return np.array([input_width / width, input_height / height])


def _as_pairs(name: str, values: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim == 0 or array.shape[-1] != 2:
        raise InvalidInputError(
            f"{name} must have shape (..., 2), got {array.shape}. Pass x, y per point."
        )
    return array


def _as_corners(name: str, values: ArrayLike) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    if array.ndim == 0 or array.shape[-1] != 4:
        raise InvalidInputError(
            f"{name} must have shape (..., 4), got {array.shape}. Pass x0, y0, x1, y1 per box."
        )
    return array.reshape(*array.shape[:-1], 2, 2)
