"""Masks as batches of tensors: to full size, to boxes, to run lengths, stability and overlap.

Letters: M masks, H W pixels of the original image, h w of the low-resolution logits.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from anymask.core.frames import ImageFrame
from anymask.core.rle import Rle


def upscale_logits(low_res_logits: Tensor, frame: ImageFrame) -> Tensor:
    """Return one mask's logits (h, w) of the model frame as (H, W) of the original image.

    In the order of the released model: to the model's square, without the padding, to the image.
    """
    S = frame.image_size
    height, width = frame.input_size
    square = _resize(low_res_logits, (S, S))
    return _resize(square[:height, :width], frame.original_size)


def _resize(logits: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(logits[None, None], size, mode="bilinear", align_corners=False)[0, 0]


def without_padding(low_res_logits: Tensor, frame: ImageFrame) -> Tensor:
    """Return logits (..., h, w) of the model frame without the cells that lie beside the image."""
    scale = low_res_logits.shape[-1] / frame.image_size
    height, width = (math.ceil(side * scale) for side in frame.input_size)
    return low_res_logits[..., :height, :width]


def masks_to_boxes(masks: Tensor) -> Tensor:
    """Return the half-open boxes (M, 4) float32 xyxy of masks (M, H, W) bool, zeros when empty."""
    H, W = masks.shape[-2:]
    x0, x1 = _first_and_end(masks.any(dim=1), W)
    y0, y1 = _first_and_end(masks.any(dim=2), H)
    boxes = torch.stack([x0, y0, x1, y1], dim=1)
    return torch.where((x0 < x1)[:, None], boxes, 0).to(torch.float32)


def logits_to_boxes(logits: Tensor, frame: ImageFrame, threshold: float) -> Tensor:
    """Return an estimate, in whole pixels, of the boxes (M, 4) float32 xyxy of full-size masks.

    The edges lie where the linear interpolation of the largest logits of the columns and rows
    passes the threshold: never inside the mask, and less than a cell outside. No mask is scaled up.

    Args:
        logits: (M, h, w) of the model frame, without padding (`without_padding`).
        frame: the image's size and its way into the model's square.
        threshold: logits above it are foreground.
    """
    mask_size = max(logits.shape[-2:])  # the longest side has no padding
    sides = []
    for dim, length, inner in zip((2, 1), frame.original_size, frame.input_size, strict=True):
        start, end = _crossings(logits.amax(dim) - threshold)
        pixels_per_cell = length * frame.image_size / (inner * mask_size)
        sides.append([(side * pixels_per_cell).round().clamp(0, length) for side in (start, end)])
    (y0, y1), (x0, x1) = sides
    return torch.stack([x0, y0, x1, y1], dim=1)


def _crossings(profile: Tensor) -> tuple[Tensor, Tensor]:
    """Return where rows (M, length) first and last pass zero, in cells; 0 and 0 if they never do.

    The value of cell i is at i + 1/2 and goes on unchanged beyond the outermost cells.
    """
    first, end = _first_and_end(profile > 0, profile.shape[1])
    is_empty = first >= end
    length = profile.shape[1]

    def crossing(inside: Tensor, outside: Tensor) -> Tensor:
        at = inside.clamp(0, length - 1)[:, None], outside.clamp(0, length - 1)[:, None]
        high, low = (profile.gather(1, index)[:, 0] for index in at)
        share = high / (high - low).clamp(min=torch.finfo(profile.dtype).tiny)
        return inside + 0.5 + (outside - inside) * share

    start = torch.where(first > 0, crossing(first, first - 1), 0.0)
    stop = torch.where(end < length, crossing(end - 1, end), float(length))
    return torch.where(is_empty, 0.0, start), torch.where(is_empty, 0.0, stop)


def _first_and_end(occupied: Tensor, length: int) -> tuple[Tensor, Tensor]:
    """Return the first True and the place after the last True of each row of (M, length)."""
    places = torch.arange(length, device=occupied.device)
    first = torch.where(occupied, places, length).amin(1)
    end = torch.where(occupied, places + 1, 0).amax(1)
    return first, end


def stability_scores(logits: Tensor, mask_threshold: float, offset: float) -> Tensor:
    """Return the IoU (M,) float32 of each mask with itself at a higher and a lower threshold.

    SAM paper, App. B. A mask that is empty even at the lower threshold scores 0.

    Args:
        logits: (M, H, W), at any resolution.
        mask_threshold: the usual cutoff.
        offset: the thresholds lie this far above and below it.
    """
    # The higher mask lies within the lower one, so areas are enough.
    inner = (logits > mask_threshold + offset).flatten(1).sum(1)
    outer = (logits > mask_threshold - offset).flatten(1).sum(1)
    return inner / outer.clamp(min=1)


def masks_to_rles(masks: Tensor) -> list[Rle]:
    """Return the run lengths of masks (M, H, W) bool; only the runs leave the device."""
    H, W = masks.shape[-2:]
    pixels = masks.transpose(1, 2).flatten(1)  # M W*H, column-major
    is_start = torch.empty_like(pixels)
    is_start[:, 0] = pixels[:, 0]  # before it lies a background run of length 0
    torch.ne(pixels[:, 1:], pixels[:, :-1], out=is_start[:, 1:])
    # Row by row: one nonzero over all pixels of a batch can pass the 2^31 elements CUDA allows.
    starts = [row.nonzero().flatten().cpu().numpy() for row in is_start]
    return [Rle(size=(H, W), counts=np.diff(row, prepend=0, append=H * W)) for row in starts]


def mask_ious(a: Tensor, b: Tensor) -> Tensor:
    """Return the IoU (P, Q) float32 of masks a (P, H, W) and b (Q, H, W) bool; two empty: 1."""
    first, second = a.flatten(1).to(torch.float32), b.flatten(1).to(torch.float32)
    intersection = first @ second.T
    union = first.sum(1)[:, None] + second.sum(1)[None] - intersection
    return torch.where(union > 0, intersection / union.clamp(min=1), 1.0)
