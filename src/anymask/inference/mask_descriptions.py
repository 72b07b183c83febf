"""A mask as a row of numbers: how it looks inside and around, where it lies, how good it may be."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anymask.core.frames import ImageFrame
from anymask.core.rle import Rle
from anymask.inference.embedding import ImageEmbedding

_NUM_SHAPE = 12
_SAMPLES = 2
"""Along each side of a cell of the embedding; its coverage is the share that the mask has."""


def num_description(embed_dim: int) -> int:
    """Return F, how many numbers describe a mask of a model with features of that width."""
    return 2 * embed_dim + _NUM_SHAPE


def describe_masks(
    embedding: ImageEmbedding,
    masks: Sequence[Rle],
    predicted_ious: Sequence[float],
    stability_scores: Sequence[float],
) -> Tensor:
    """Return (K, F) float32 on the CPU, a row for each mask.

    Args:
        embedding: of the image.
        masks: K of them with pixels, of the image's size.
        predicted_ious: of each.
        stability_scores: of each.
    """
    cells = embedding.features.image_embeddings[0].float().cpu()
    D, h, w = cells.shape
    grid = cells.reshape(D, h * w).T  # L D
    if not masks:
        return torch.zeros(0, num_description(D))
    boxes = np.array([rle.to_box() for rle in masks])
    inside = torch.from_numpy(_coverage(masks, embedding.frame, (h, w)))  # K L
    around = torch.from_numpy(_grown_boxes(boxes, embedding.frame, (h, w))) - inside
    shapes = _shapes(masks, boxes, predicted_ious, stability_scores)
    pooled = [_pooled(grid, inside), _pooled(grid, around.clamp(min=0))]
    return torch.cat([torch.from_numpy(shapes), *pooled], dim=1)


def _pooled(grid: Tensor, weights: Tensor) -> Tensor:
    """(K, D) weighted means of (L, D) cells."""
    return weights @ grid / weights.sum(1, keepdim=True).clamp(min=1e-3)


def _coverage(
    masks: Sequence[Rle], frame: ImageFrame, size: tuple[int, int]
) -> NDArray[np.float32]:
    """(K, L) the share of each cell that each mask has; one between all samples has its middle."""
    h, w = size
    columns, in_columns = _sampled(frame, w, 0)
    rows, in_rows = _sampled(frame, h, 1)
    coverage = np.zeros((len(masks), h, w), dtype=np.float32)
    for k, rle in enumerate(masks):
        seen = rle.sample(rows, columns)
        grid = np.zeros((h * _SAMPLES, w * _SAMPLES), dtype=np.float32)
        grid[np.ix_(in_rows, in_columns)] = seen
        coverage[k] = grid.reshape(h, _SAMPLES, w, _SAMPLES).mean(axis=(1, 3))
        if not seen.any():
            x0, y0, x1, y1 = frame.boxes_to_model(rle.to_box()) / frame.image_size
            row, column = int((y0 + y1) / 2 * h), int((x0 + x1) / 2 * w)
            coverage[k, min(row, h - 1), min(column, w - 1)] = 1 / _SAMPLES**2
    return coverage.reshape(len(masks), h * w)


def _sampled(
    frame: ImageFrame, num_cells: int, axis: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pixels of the image along an axis (0 x, 1 y) below the samples, and which samples these are.

    Samples beside the image have no pixel.
    """
    places = (np.arange(num_cells * _SAMPLES) + 0.5) * frame.image_size / (num_cells * _SAMPLES)
    points = frame.points_to_original(np.stack([places, places], axis=1))[:, axis]
    pixels = np.floor(points + 0.5).astype(np.int64)
    inside = np.flatnonzero((pixels >= 0) & (pixels < frame.original_size[1 - axis]))
    return pixels[inside], inside


def _grown_boxes(
    boxes: NDArray[np.float32], frame: ImageFrame, size: tuple[int, int]
) -> NDArray[np.float32]:
    """(K, L) 1 for the cells that a box touches and those next to them."""
    h, w = size
    low_high = frame.boxes_to_model(boxes) / frame.image_size * np.array([w, h, w, h])
    columns, rows = np.arange(w), np.arange(h)
    x0, y0, x1, y1 = (side[:, None] for side in low_high.T)
    in_columns = (columns >= np.floor(x0) - 1) & (columns < np.ceil(x1) + 1)
    in_rows = (rows >= np.floor(y0) - 1) & (rows < np.ceil(y1) + 1)
    touched: NDArray[np.bool_] = in_rows[:, :, None] & in_columns[:, None, :]
    return touched.reshape(len(boxes), h * w).astype(np.float32)


def _shapes(
    masks: Sequence[Rle],
    boxes: NDArray[np.float32],
    predicted_ious: Sequence[float],
    stability_scores: Sequence[float],
) -> NDArray[np.float32]:
    """(K, 12) quality, sizes, how full the box is, image edges that it touches, and its middle."""
    height, width = masks[0].size
    x0, y0, x1, y1 = boxes.T / np.array([width, height, width, height])[:, None]
    areas = np.array([rle.area for rle in masks])
    box_areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    columns = [
        np.array(predicted_ious),
        np.array(stability_scores),
        np.log(areas / (height * width)),
        np.log(x1 - x0),
        np.log(y1 - y0),
        areas / box_areas,
        boxes[:, 0] < 1,
        boxes[:, 1] < 1,
        boxes[:, 2] > width - 1,
        boxes[:, 3] > height - 1,
        (x0 + x1) / 2,
        (y0 + y1) / 2,
    ]
    return np.stack(columns, axis=1).astype(np.float32)
