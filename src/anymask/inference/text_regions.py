"""From a heat map of where a text fits to clicks and to scores of masks; pure functions.

Letters: K masks or clicks, h w embedding grid; masks have 4h x 4w cells, as the decoder draws them.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from anymask.core.frames import ImageFrame

_PART = 0.8  # share of a mask within what is found from which it is a part of that


def image_cells(frame: ImageFrame, grid_size: int) -> tuple[int, int]:
    """Return how many rows and columns of a grid over the model's square show the image."""
    height, width = frame.input_size
    stride = frame.image_size / grid_size
    return max(1, round(height / stride)), max(1, round(width / stride))


def seed_cells(heat: Tensor, hot_threshold: float, max_seeds: int) -> Tensor:
    """Return (K, 2) int64 row and column of the cells of heat (h, w) to click on; K <= max_seeds.

    First the local peaks that are hot, hottest first, as small objects may have no more than that;
    then, in raster order, an even grid over all that is hot, as dense as the number allows. Where
    nothing is hot the whole image is gridded.
    """
    is_hot = heat >= hot_threshold
    if not bool(is_hot.any()):
        is_hot = torch.ones_like(is_hot)
    around = F.max_pool2d(heat[None, None], 3, stride=1, padding=1)[0, 0]
    peaks = (is_hot & (heat == around)).nonzero()
    order = heat[peaks[:, 0], peaks[:, 1]].argsort(descending=True, stable=True)
    # Half at most, as a flat map is a peak everywhere.
    peaks = peaks[order][: (max_seeds + 1) // 2]
    is_left = is_hot.clone()
    is_left[peaks[:, 0], peaks[:, 1]] = False
    room = max_seeds - len(peaks)
    for step in range(1, max(heat.shape) + 1):
        first = step // 2
        on_grid = torch.zeros_like(is_left)
        on_grid[first::step, first::step] = True
        grid = (is_left & on_grid).nonzero()
        if len(grid) <= room:
            return torch.cat([peaks, grid])
    return peaks


def region_means(heat: Tensor, masks: Tensor) -> Tensor:
    """Return (K,) the mean of heat (h, w) inside masks (K, 4h, 4w) bool; 0 for an empty mask.

    A cell counts by the share of it that the mask covers.
    """
    coverage = F.avg_pool2d(masks.to(heat.dtype)[:, None], 4)[:, 0].flatten(1)  # K h*w
    area = coverage.sum(1)
    return torch.where(area > 0, coverage @ heat.flatten() / area.clamp_min(1e-6), 0.0)


def distinct_masks(masks: Tensor, scores: Tensor, iou_thresh: float) -> Tensor:
    """Return the indices of the masks (K, ...) bool that are kept, best score (K,) first.

    A mask goes when its IoU with a better one is above `iou_thresh`, or when most of it lies within
    better ones that are kept: a part of what is found is not found again. Of equal scores the
    lower index is better.
    """
    flat = masks.flatten(1)
    areas = flat.sum(1)
    found = flat.new_zeros(flat.shape[1])
    kept: list[int] = []
    for i in scores.argsort(descending=True, stable=True).tolist():
        if int((flat[i] & found).sum()) > _PART * int(areas[i]):
            continue
        shared = (flat[i] & flat[kept]).sum(1) if kept else areas.new_zeros(0)
        ious = shared / (areas[i] + areas[kept] - shared).clamp_min(1)
        if bool((ious > iou_thresh).any()):
            continue
        kept.append(i)
        found |= flat[i]
    return torch.tensor(kept, dtype=torch.int64, device=masks.device)
