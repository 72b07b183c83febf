"""Low-resolution logits to full-size masks, with work only where an outline passes.

The released model scales logits up bilinearly twice: to its square, then to the image. Both
together are one linear map per axis, so that any tile of the image is a product of three small
matrices. A tile whose logits all lie on one side of the threshold is known without it, as no
interpolated value leaves the range of its neighbours.

Letters: K masks, H W pixels of the image, h w of the logits, T side of a tile, N tiles along an
axis, U undecided tiles of a mask, k cells that a tile reads along an axis.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from anymask.core.frames import ImageFrame
from anymask.core.rle import Rle

_CELLS_PER_TILE = 5  # fewer: more tiles to handle; more: more pixels about each outline
_MIN_TILE_PX = 32


@dataclass(frozen=True, kw_only=True, eq=False)
class _Axis:
    """How the tiles along one axis of the image read the logits.

    Attributes:
        cells: (N, k) int64, the cells that each tile reads.
        weights: (N, T, k) float32, their shares in each pixel; NaN beyond the image.
        lengths: (N,) int64, the pixels of each tile inside the image.
    """

    cells: Tensor
    weights: Tensor
    lengths: Tensor


class MaskUpscaler:
    """Full-size masks of the logits of one image (or crop).

    Args:
        frame: the image's size and its way into the model's square.
        mask_size: side of the square of logits.
        device: where the logits are.
    """

    def __init__(self, frame: ImageFrame, mask_size: int, device: torch.device) -> None:
        self.frame = frame
        side = max(frame.original_size)
        self.tile_px = max(_MIN_TILE_PX, round(_CELLS_PER_TILE * side / mask_size))
        self._rows, self._columns = (
            _axis(mask_size, frame.image_size, inner, length, self.tile_px, device)
            for inner, length in zip(frame.input_size, frame.original_size, strict=True)
        )

    def rles(self, logits: Tensor, threshold: float) -> list[Rle]:
        """Return the masks of logits (K, h, w) above the threshold as run lengths at full size."""
        return [
            self._rle(is_inside.cpu().numpy(), tiles > threshold, places)
            for is_inside, tiles, places in self._outlines(logits, threshold, threshold)
        ]

    def stable_rles(
        self, logits: Tensor, threshold: float, offset: float
    ) -> tuple[list[Rle], Tensor]:
        """Return also the stability scores (K,) float32 of the full-size logits.

        As `stability_scores`, for thresholds `offset` above and below.
        """
        rles, scores = [], []
        for is_inside, tiles, places in self._outlines(
            logits, threshold - offset, threshold + offset
        ):
            sure = self._area(is_inside)
            inner, outer = (
                sure + torch.count_nonzero(tiles > cut)
                for cut in (threshold + offset, threshold - offset)
            )
            scores.append(inner / outer.clamp(min=1))
            rles.append(self._rle(is_inside.cpu().numpy(), tiles > threshold, places))
        return rles, torch.stack(scores) if scores else logits.new_zeros(0)

    def _outlines(
        self, logits: Tensor, low: float, high: float
    ) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Yield of each mask which tiles (N, N) bool lie wholly above `high`, and the undecided.

        The undecided ones, with values on both sides of `low` or `high`, come as values
        (U, T, T), NaN beyond the image, and places (U, 2), row and column among the tiles.
        """
        rows, columns = self._rows, self._columns
        for mask in logits:
            bands = mask[rows.cells]  # N k w
            highest = bands.amax(1)[:, columns.cells].amax(2)  # N N
            lowest = bands.amin(1)[:, columns.cells].amin(2)
            is_inside = lowest > high
            places = ((highest > low) & ~is_inside).nonzero()
            i, j = places[:, 0], places[:, 1]
            patches = mask[rows.cells[i][:, :, None], columns.cells[j][:, None, :]]  # U k k
            yield is_inside, _interpolated(patches, rows.weights, i, columns.weights, j), places

    def _area(self, is_inside: Tensor) -> Tensor:
        """The pixels (scalar) of whole tiles (N, N)."""
        return (is_inside * (self._rows.lengths[:, None] * self._columns.lengths)).sum()

    def _rle(self, is_inside: NDArray[np.bool_], tiles: Tensor, places: Tensor) -> Rle:
        """The run lengths of whole tiles (N, N) and of others (U, T, T) bool at their places."""
        H, W = self.frame.original_size
        i, j = places.cpu().numpy().T
        used = is_inside.copy()
        used[i, j] = True
        rows, columns = np.flatnonzero(used.any(1)), np.flatnonzero(used.any(0))
        if not len(rows):
            return Rle(size=(H, W), counts=np.array([H * W]))
        top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
        T = self.tile_px
        window = np.zeros((bottom - top, T, right - left, T), dtype=np.bool_)
        by_tile = window.transpose(0, 2, 1, 3)
        by_tile[is_inside[top:bottom, left:right]] = True
        by_tile[i - top, j - left] = tiles.cpu().numpy()
        y0, x0 = int(top) * T, int(left) * T
        pixels = window.reshape((bottom - top) * T, -1)[: H - y0, : W - x0]
        return Rle.from_mask(pixels).placed((H, W), x0, y0)


def _interpolated(
    patches: Tensor, row_weights: Tensor, i: Tensor, column_weights: Tensor, j: Tensor
) -> Tensor:
    """(U, T, T): the pixels of tiles whose cells are (U, k, k)."""
    return row_weights[i] @ patches @ column_weights[j].transpose(1, 2)


def _axis(
    mask_size: int, image_size: int, inner: int, length: int, tile_px: int, device: torch.device
) -> _Axis:
    unit = torch.eye(mask_size)[None]
    square = F.interpolate(unit, image_size, mode="linear", align_corners=False)[..., :inner]
    shares = F.interpolate(square, length, mode="linear", align_corners=False)[0].T  # length h
    num_tiles = -(-length // tile_px)
    shares = F.pad(shares, (0, 0, 0, num_tiles * tile_px - length), value=torch.nan)
    shares = shares.reshape(num_tiles, tile_px, mask_size)
    is_read = (shares > 0).any(1)  # N h
    first = is_read.int().argmax(1)
    end = mask_size - is_read.flip(1).int().argmax(1)
    num_cells = int((end - first).max())
    first = first.clamp(max=mask_size - num_cells)
    cells = first[:, None] + torch.arange(num_cells)  # N k
    weights = shares.gather(2, cells[:, None].expand(-1, tile_px, -1))
    starts = torch.arange(num_tiles) * tile_px
    return _Axis(
        cells=cells.to(device),
        weights=weights.contiguous().to(device),
        lengths=(length - starts).clamp(max=tile_px).to(device),
    )
