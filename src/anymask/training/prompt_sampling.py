"""The simulated annotator: first prompts from the target, later clicks from the error region.

Letters: P prompts, N points of a prompt, side = S/4 cells. Points are continuous xy of the model
input. Targets and logits live on the same grid of S/4 cells.
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from anymask.core.prompts import PointLabel
from anymask.training.batches import LOGIT_STRIDE
from anymask.training.config import PromptConfig
from anymask.training.draws import Draws

# A cell's chance as an interior click grows with this power of its neighbourhood's share.
_INTERIOR_POWER = 6
_INTERIOR_WINDOW = 9
_REFERENCE_IMAGE_SIZE = 1024  # box_noise_max_px is given for it


def start_prompts(
    target_masks: Tensor, target_boxes: Tensor, config: PromptConfig, draws: Draws
) -> tuple[Tensor, Tensor]:
    """First prompts: (P, 2, 2) coordinates and (P, 2) labels, a point and its pad, or a box.

    Args:
        target_masks: (P, side, side) coverage.
        target_boxes: (P, 4) xyxy of the model input.
        config: the annotator.
        draws: randomness.
    """
    P, device = len(target_masks), target_masks.device
    points = sample_points(inside(target_masks), config.interior_probability, draws)
    coords = torch.stack([points, torch.zeros_like(points)], dim=1)
    labels = _labels(PointLabel.FOREGROUND, PointLabel.PADDING, device).expand(P, 2)

    image_size = target_masks.shape[-1] * LOGIT_STRIDE
    corners = noisy_boxes(target_boxes, image_size, config, draws).reshape(P, 2, 2)
    corner_labels = _labels(PointLabel.BOX_TOP_LEFT, PointLabel.BOX_BOTTOM_RIGHT, device)
    is_box = draws.rand(P).to(device) < config.box_probability
    return (
        torch.where(is_box[:, None, None], corners, coords),
        torch.where(is_box[:, None], corner_labels, labels),
    )


def _labels(first: PointLabel, second: PointLabel, device: torch.device) -> Tensor:
    return torch.tensor([first, second], device=device)


def blank_rounds(num_rounds: int, config: PromptConfig, draws: Draws) -> Iterator[bool]:
    """For each round after the first: does it only feed the mask back, without a new click?

    Lazy, as what it draws lies between the draws of the rounds.
    """
    if config.blank_rounds == "paper":
        # "randomly inserted among" the clicks: after the first of them, before the last.
        last_place = max(1, num_rounds - 3)
        place = 1 + draws.integer(last_place)
        for i in range(num_rounds):
            yield i in (place, num_rounds - 1)
    else:
        for i in range(num_rounds):
            is_middle = 0 < i < num_rounds - 1
            yield is_middle and draws.unit() < config.blank_probability


def error_prompts(
    logits: Tensor, target_masks: Tensor, config: PromptConfig, draws: Draws
) -> tuple[Tensor, Tensor]:
    """One more click each: (P, 1, 2) coordinates and (P, 1) labels.

    The click falls in the region where the logits (P, side, side) err; it is foreground on a missed
    part and background on a false one. Where nothing errs `config.all_right_click` decides, and in
    a share of `config.truth_probability` it falls in the target whatever errs.
    """
    truth = inside(target_masks)
    error = (logits > 0) != truth
    is_right = ~error.flatten(1).any(1)
    confirming = truth
    if config.all_right_click == "background":
        is_everything = truth.flatten(1).all(1)[:, None, None]
        confirming = torch.where(is_everything, truth, ~truth)
    region = torch.where(is_right[:, None, None], confirming, error)
    if config.truth_probability > 0:
        from_truth = draws.rand(len(truth)).to(truth.device) < config.truth_probability
        region = torch.where(from_truth[:, None, None], truth, region)
    points = sample_points(region, config.interior_probability, draws)
    cells = (points / LOGIT_STRIDE).long().clamp(0, truth.shape[-1] - 1)
    row = torch.arange(len(truth), device=truth.device)
    labels = truth[row, cells[:, 1], cells[:, 0]].long()
    return points.unsqueeze(1), labels.unsqueeze(1)


def sample_points(region: Tensor, interior_probability: float, draws: Draws) -> Tensor:
    """(P, 2) xy: a random place in each region (P, side, side) bool, none of which is empty."""
    P, side, _ = region.shape
    weights = region.float()
    density = _box_mean(_box_mean(weights).mT).mT
    peak = density.amax((1, 2), keepdim=True).clamp_min(1e-6)
    interior = weights * (density / peak) ** _INTERIOR_POWER
    use_interior = draws.rand(P).to(region.device) < interior_probability
    weights = torch.where(use_interior[:, None, None], interior, weights)
    # One draw by the inverse of the cumulative sum: much cheaper than torch.multinomial.
    cumulative = weights.flatten(1).cumsum(1)
    draw = draws.rand(P, 1).to(region.device) * cumulative[:, -1:]
    cell = torch.searchsorted(cumulative, draw, right=True)[:, 0].clamp_max(side * side - 1)
    xy = torch.stack([cell % side, cell // side], dim=1)
    return (xy + draws.rand(P, 2).to(region.device)) * LOGIT_STRIDE


def _box_mean(x: Tensor) -> Tensor:
    """(P, side, side) mean over a window along the last axis, zeros outside."""
    return F.avg_pool1d(x, _INTERIOR_WINDOW, stride=1, padding=_INTERIOR_WINDOW // 2)


def noisy_boxes(boxes: Tensor, image_size: int, config: PromptConfig, draws: Draws) -> Tensor:
    """(P, 4) boxes with corner noise, clipped to the input and at least a pixel wide."""
    sides = (boxes[:, 2:] - boxes[:, :2]).repeat(1, 2)
    limit = config.box_noise_max_px * image_size / _REFERENCE_IMAGE_SIZE
    spread = config.box_noise_fraction * sides
    if config.box_noise == "gaussian":
        noise = (draws.randn(*boxes.shape).to(boxes.device) * spread).clamp(-limit, limit)
    else:
        noise = (2 * draws.rand(*boxes.shape).to(boxes.device) - 1) * spread.clamp_max(limit)
    noisy = (boxes + noise).clamp(0, image_size)
    low = torch.minimum(noisy[:, :2], noisy[:, 2:])
    return torch.cat([low, torch.maximum(noisy[:, 2:], low + 1.0)], dim=1)


def inside(target_masks: Tensor) -> Tensor:
    """(P, side, side) bool: covered cells, or the most covered ones of a thinner target."""
    flat = target_masks.flatten(1)
    threshold = flat.amax(1).clamp_max(0.5).clamp_min(1e-6)
    return (flat >= threshold[:, None]).reshape(target_masks.shape)
