"""The reference package's `ResizeLongestSide`, for code that was written against it."""

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from anymask.core.frames import ImageFrame
from anymask.core.image_io import resize_longest_side


class ResizeLongestSide:
    """Scales images, points and boxes so that an image's longest side is `target_length`.

    As in the reference, coordinates are raw scaled indices: half a pixel is added later, by
    `SamPredictor.predict_torch`.
    """

    def __init__(self, target_length: int) -> None:
        self.target_length = target_length

    def apply_image(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Return an image (H, W, 3) uint8, scaled."""
        return resize_longest_side(image, self.target_length)

    def apply_coords(
        self, coords: NDArray[np.generic], original_size: tuple[int, ...]
    ) -> NDArray[np.float64]:
        """Return points (..., 2) xy of an image of `original_size` (H, W) in the model frame."""
        points: NDArray[np.float64] = np.asarray(coords, dtype=np.float64)
        scaled: NDArray[np.float64] = points * np.array(self._scale_xy(original_size))
        return scaled

    def apply_boxes(
        self, boxes: NDArray[np.generic], original_size: tuple[int, ...]
    ) -> NDArray[np.float64]:
        """Return boxes (B, 4) or (4,) xyxy as (B, 4) in the model frame."""
        return self.apply_coords(np.reshape(boxes, (-1, 2, 2)), original_size).reshape(-1, 4)

    def apply_image_torch(self, image: Tensor) -> Tensor:
        """Return images (B, C, H, W) float, scaled; it may differ a little from `apply_image`.

        The reference takes B and C for the size here; this takes H and W.
        """
        size = self.get_preprocess_shape(image.shape[-2], image.shape[-1], self.target_length)
        return F.interpolate(image, size, mode="bilinear", align_corners=False, antialias=True)

    def apply_coords_torch(self, coords: Tensor, original_size: tuple[int, ...]) -> Tensor:
        """Return points (..., 2) xy of an image of `original_size` (H, W) in the model frame."""
        scale = torch.tensor(self._scale_xy(original_size), device=coords.device)
        return coords.to(torch.float) * scale

    def apply_boxes_torch(self, boxes: Tensor, original_size: tuple[int, ...]) -> Tensor:
        """Return boxes (B, 4) xyxy in the model frame."""
        return self.apply_coords_torch(boxes.reshape(-1, 2, 2), original_size).reshape(-1, 4)

    @staticmethod
    def get_preprocess_shape(oldh: int, oldw: int, long_side_length: int) -> tuple[int, int]:
        """Return the (H, W) of an image after scaling."""
        return ImageFrame(original_size=(oldh, oldw), image_size=long_side_length).input_size

    def _scale_xy(self, original_size: tuple[int, ...]) -> tuple[float, float]:
        height, width = original_size
        new_height, new_width = self.get_preprocess_shape(height, width, self.target_length)
        return new_width / width, new_height / height
