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
