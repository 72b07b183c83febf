"""Low-resolution logits to full-size masks, with work only where an outline passes.

The released model scales logits up bilinearly twice: to its square, then to the image. Both
together are one linear map per axis, so that any tile of the image is a product of three small
matrices. A tile whose logits all lie on one side of the threshold is known without it, as no
interpolated value leaves the range of its neighbours.

Letters: K masks, H W pixels of the image, h w of the logits, T side of a tile, N tiles along an
axis, n tile columns of a strip, U its undecided tiles, k cells that a tile reads along an axis.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from anymask.core.frames import ImageFrame
from anymask.core.rle import Rle

_CELLS_PER_TILE = 5  # fewer: more tiles to handle; more: more pixels about each outline
_MIN_TILE_PX = 32
_NOISE = 0.5  # share of undecided tiles from which all pixels together take less time
_STRIP_PX = 1 << 22  # bounds the memory of a mask that is undecided everywhere


@dataclass(frozen=True, kw_only=True, eq=False)
class MaskMeasures:
    """What full-size masks are like, without their pixels.

    Attributes:
        boxes: (K, 4) float32 xyxy half-open, zeros when empty.
        areas: (K,) int64, in pixels.
        stability_scores: (K,) float32, as `mask_tensors.stability_scores`.
    """

    boxes: NDArray[np.float32]
    areas: NDArray[np.int64]
    stability_scores: NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Axis:
    """How the tiles along one axis of the image read the logits.

    Attributes:
        cells: (N, k) int64, the cells that each tile reads.
        weights: (N, T, k) float32, their shares in each pixel; 0 beyond the image.
        lengths: (N,) int64, the pixels of each tile inside the image.
    """

    cells: Tensor
    weights: Tensor
    lengths: Tensor


@dataclass(frozen=True, kw_only=True, eq=False)
class _Strip:
    """Neighbouring tile columns of one mask.

    Attributes:
        is_inside: (N, n) bool, the tiles wholly above the higher threshold.
        places: (U, 2) int64, row among the tiles and column in the strip of the undecided ones,
            which have values on both sides of the lower or of the higher threshold.
        tiles: (U, T, T) their values, -inf beyond the image.
        first: tile columns left of the strip.
    """

    is_inside: Tensor
    places: Tensor
    tiles: Tensor
    first: int


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
        self._strip_columns = max(1, _STRIP_PX // (len(self._rows.cells) * self.tile_px**2))

    def masks(self, logits: Tensor, threshold: float) -> NDArray[np.bool_]:
        """Return the masks (K, H, W) of logits (K, h, w) above the threshold."""
        masks = np.zeros((len(logits), *self.frame.original_size), dtype=np.bool_)
        for canvas, mask in zip(masks, logits, strict=True):
            _, is_undecided = self._decided(mask, threshold, threshold)
            is_noise = bool(is_undecided.float().mean() > _NOISE)
            parts = self._all_pixels if is_noise else self._windows
            for pixels, x0, y0 in parts(mask, threshold):
                canvas[y0 : y0 + pixels.shape[0], x0 : x0 + pixels.shape[1]] = pixels
        return masks

    def rles(self, logits: Tensor, threshold: float) -> list[Rle]:
        """Return the masks of logits (K, h, w) above the threshold as run lengths at full size."""
        return [self._rle(mask, threshold) for mask in logits]

    def measures(self, logits: Tensor, threshold: float, offset: float) -> MaskMeasures:
        """Return boxes, areas and stability scores of the full-size masks of logits (K, h, w).

        Args:
            logits: of the model frame.
            threshold: logits above it are foreground.
            offset: the thresholds of stability lie this far above and below it.
        """
        measured = [self._measured(mask, threshold, offset) for mask in logits]
        boxes, areas, scores = zip(*measured, strict=True) if measured else ((), (), ())
        return MaskMeasures(
            boxes=np.array(boxes, dtype=np.float32).reshape(-1, 4),
            areas=np.array(areas, dtype=np.int64),
            stability_scores=np.array(scores, dtype=np.float32),
        )

    def _measured(
        self, mask: Tensor, threshold: float, offset: float
    ) -> tuple[tuple[int, int, int, int], int, float]:
        """Box, area and stability score of one mask (h, w)."""
        T, cuts = self.tile_px, (threshold + offset, threshold, threshold - offset)
        areas = [0, 0, 0]
        has_row, has_column = (
            torch.zeros(len(axis.cells), T, dtype=torch.bool, device=mask.device)
            for axis in (self._rows, self._columns)
        )
        for strip in self._strips(mask, cuts[-1], cuts[0]):
            end = strip.first + strip.is_inside.shape[1]
            lengths = self._columns.lengths[strip.first : end]
            sure = int((strip.is_inside * self._rows.lengths[:, None] * lengths).sum())
            values = strip.tiles.cpu().numpy()  # numpy compares and counts several times faster
            areas = [
                area + sure + int(np.count_nonzero(values > cut))
                for area, cut in zip(areas, cuts, strict=True)
            ]
            has_row[strip.is_inside.any(1)] = True
            has_column[strip.first : end][strip.is_inside.any(0)] = True
            i, j = strip.places.T
            tile, row = (strip.tiles.amax(2) > threshold).nonzero().T
            has_row[i[tile], row] = True
            tile, column = (strip.tiles.amax(1) > threshold).nonzero().T
            has_column[strip.first + j[tile], column] = True
        inner, area, outer = areas
        (y0, y1), (x0, x1) = (
            _first_and_end(has.flatten()[:length].cpu().numpy())
            for has, length in zip((has_row, has_column), self.frame.original_size, strict=True)
        )
        return (x0, y0, x1, y1), area, inner / max(1, outer)

    def _rle(self, mask: Tensor, threshold: float) -> Rle:
        """The run lengths of one mask (h, w)."""
        H, W = self.frame.original_size
        runs = []
        for pixels, x0, y0 in self._windows(mask, threshold):
            columns, starts, stops = Rle.from_mask(pixels).column_runs()
            runs.append((columns + x0, starts + y0, stops + y0))
        if not runs:
            return Rle(size=(H, W), counts=np.array([H * W]))
        return Rle.from_column_runs(
            (H, W), *(np.concatenate(part) for part in zip(*runs, strict=True))
        )

    def _windows(
        self, mask: Tensor, threshold: float
    ) -> Iterator[tuple[NDArray[np.bool_], int, int]]:
        """Pixels of one mask (h, w) from left to right, each part with its first column and row.

        There is nothing outside of them.
        """
        H, W = self.frame.original_size
        T = self.tile_px
        for strip in self._strips(mask, threshold, threshold):
            is_inside = strip.is_inside.cpu().numpy()
            i, j = strip.places.cpu().numpy().T
            is_used = is_inside.copy()
            is_used[i, j] = True
            top, bottom = _first_and_end(is_used.any(1))
            left, right = _first_and_end(is_used.any(0))
            if top == bottom:
                continue
            window = np.zeros((bottom - top, T, right - left, T), dtype=np.bool_)
            by_tile = window.transpose(0, 2, 1, 3)
            by_tile[is_inside[top:bottom, left:right]] = True
            by_tile[i - top, j - left] = strip.tiles.cpu().numpy() > threshold
            y0, x0 = top * T, (strip.first + left) * T
            yield window.reshape((bottom - top) * T, -1)[: H - y0, : W - x0], x0, y0

    def _all_pixels(
        self, mask: Tensor, threshold: float
    ) -> Iterator[tuple[NDArray[np.bool_], int, int]]:
        """As `_windows`, with every pixel worked out."""
        rows, columns = self._rows, self._columns
        H, W = self.frame.original_size
        bands = (rows.weights @ mask[rows.cells]).flatten(0, 1)[:H]  # H w
        for first in range(0, len(columns.cells), self._strip_columns):
            part = slice(first, first + self._strip_columns)
            strip = bands[:, columns.cells[part]].transpose(0, 1) @ columns.weights[part].mT
            pixels = strip.transpose(0, 1).cpu().numpy() > threshold  # H n T
            x0 = first * self.tile_px
            yield pixels.reshape(H, -1)[:, : W - x0], x0, 0

    def _strips(self, mask: Tensor, low: float, high: float) -> Iterator[_Strip]:
        """The parts of one mask (h, w), from left to right, that are not wholly at most `low`."""
        rows, columns = self._rows, self._columns
        is_inside, is_undecided = self._decided(mask, low, high)
        for first in range(0, len(columns.cells), self._strip_columns):
            end = first + self._strip_columns
            places = is_undecided[:, first:end].nonzero()
            i, j = places[:, 0], places[:, 1] + first
            patches = mask[rows.cells[i][:, :, None], columns.cells[j][:, None, :]]  # U k k
            tiles = rows.weights[i] @ patches @ columns.weights[j].transpose(1, 2)
            tiles[i == len(rows.cells) - 1, rows.lengths[-1] :] = -torch.inf
            tiles[j == len(columns.cells) - 1, :, columns.lengths[-1] :] = -torch.inf
            yield _Strip(is_inside=is_inside[:, first:end], places=places, tiles=tiles, first=first)

    def _decided(self, mask: Tensor, low: float, high: float) -> tuple[Tensor, Tensor]:
        """Which tiles (N, N) of one mask (h, w) are wholly above `high`; which are undecided."""
        rows, columns = self._rows, self._columns
        bands = mask[rows.cells]  # N k w
        highest = bands.amax(1)[:, columns.cells].amax(2)  # N N
        lowest = bands.amin(1)[:, columns.cells].amin(2)
        is_inside = lowest > high
        return is_inside, (highest > low) & ~is_inside


def _first_and_end(occupied: ArrayLike) -> tuple[int, int]:
    """The first True of (length,) and the place after the last; 0 and 0 when there is none."""
    places = np.flatnonzero(occupied)
    return (int(places[0]), int(places[-1]) + 1) if len(places) else (0, 0)


@lru_cache(maxsize=8)  # the photographs of a camera are often of one size
def _axis(
    mask_size: int, image_size: int, inner: int, length: int, tile_px: int, device: torch.device
) -> _Axis:
    unit = torch.eye(mask_size)[None]
    square = F.interpolate(unit, image_size, mode="linear", align_corners=False)[..., :inner]
    shares = F.interpolate(square, length, mode="linear", align_corners=False)[0].T  # length h
    num_tiles = -(-length // tile_px)
    shares = F.pad(shares, (0, 0, 0, num_tiles * tile_px - length))
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
