"""Small logits about one part of an image as small logits about another part."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from anymask.core.frames import ImageFrame
from anymask.inference.mask_input import SURE_LOGIT


@dataclass(frozen=True, kw_only=True)
class LogitsGrid:
    """Where the cells of small logits lie in an image.

    Attributes:
        frame: of the part of the image that the logits are about.
        size: cells along each side of the model's square.
        corner: (x, y) of that part in the image, in pixels.
    """

    frame: ImageFrame
    size: int
    corner: tuple[int, int] = (0, 0)

    @property
    def cell_px(self) -> NDArray[np.float64]:
        """(x, y): pixels of the image along one cell."""
        (height, width), (input_height, input_width) = (
            self.frame.original_size,
            self.frame.input_size,
        )
        model_px = self.frame.image_size / self.size
        return np.array([width / input_width, height / input_height]) * model_px

    def centres(self, axis: int) -> NDArray[np.float64]:
        """Of all cells along an axis, 0 for x and 1 for y, in pixels of the image."""
        cells: NDArray[np.float64] = (np.arange(self.size) + 0.5) * self.cell_px[axis]
        return self.corner[axis] + cells

    def end(self, axis: int) -> int:
        """Where the part ends in the image."""
        return self.corner[axis] + self.frame.original_size[1 - axis]

    @property
    def num_cells(self) -> tuple[int, int]:
        """(rows, columns) that show the part at least in half; those after are padding."""
        rows, columns = np.floor(np.array(self.frame.original_size) / self.cell_px[::-1] + 0.5)
        return max(1, int(rows)), max(1, int(columns))


def resample_logits(
    logits: NDArray[np.float32], source: LogitsGrid, target: LogitsGrid
) -> NDArray[np.float32]:
    """Return logits (h, w) about one part of an image as logits (h, w) about another.

    Linear between cells; where the target's are larger, a mean over them. What the source does not
    show is sure background.
    """
    across, down = (_weights(source, target, axis) for axis in (0, 1))
    values = down @ logits.astype(np.float64) @ across.T
    is_seen = np.outer(down.any(axis=1), across.any(axis=1))
    return np.where(is_seen, values, -SURE_LOGIT).astype(np.float32)


def _weights(source: LogitsGrid, target: LogitsGrid, axis: int) -> NDArray[np.float64]:
    """(target cells, source cells): the mean that each target cell is; zeros where unseen."""
    centres = target.centres(axis)
    own = source.centres(axis)
    reach = max(source.cell_px[axis], target.cell_px[axis])
    weights: NDArray[np.float64] = np.clip(
        1 - np.abs(centres[:, None] - own[None]) / reach, 0, None
    )
    weights[:, source.num_cells[1 - axis] :] = 0  # padding
    is_seen = (centres >= source.corner[axis]) & (
        centres <= min(source.end(axis), target.end(axis))
    )
    weights[~is_seen] = 0
    weights /= np.maximum(weights.sum(axis=1, keepdims=True), 1e-12)
    return weights
