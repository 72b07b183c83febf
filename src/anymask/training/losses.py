"""Mask and IoU losses (App. A, "Losses"): focal, dice, and the minimum over the masks of a prompt.

Letters: P prompts, M masks, L cells of a mask.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from anymask.model.features import DecodedMasks
from anymask.training.config import LossConfig

FOCAL_GAMMA = 2.0  # Lin et al. 2017; the paper names the loss, not its constants
DICE_SMOOTHING = 1.0
_AFFINITY_SCALE = 10.0  # cosine similarities of 0 and 1 become logits of -5 and 5


@dataclass(frozen=True, kw_only=True, eq=False)
class LossTerms:
    """The terms of one round.

    Attributes:
        total: scalar, the weighted sum of the terms' means over the targets; learns.
        mask, dice, iou: (P,), of each target, detached.
    """

    total: Tensor
    mask: Tensor
    dice: Tensor
    iou: Tensor


def focal_loss(
    logits: Tensor, targets: Tensor, *, normalized: bool, alpha: float | None = None
) -> Tensor:
    """(P, M) focal loss of logits (P, M, L) against coverage targets (P, 1, L) in [0, 1].

    With soft targets the modulating factor is |target - probability|^gamma. `normalized` divides by
    the sum of these factors (held constant) instead of by the number of cells. `alpha` weighs the
    target's cells, 1 - alpha the others.
    """
    error = (targets - logits.sigmoid()).abs().detach() if normalized else None
    cross_entropy = F.binary_cross_entropy_with_logits(
        logits, targets.expand_as(logits), reduction="none"
    )
    if alpha is not None:
        cross_entropy = cross_entropy * (alpha * targets + (1 - alpha) * (1 - targets))
    if error is not None:
        factor = error**FOCAL_GAMMA
        return (factor * cross_entropy).sum(-1) / factor.sum(-1).clamp_min(1e-3)
    factor = (targets - logits.sigmoid()).abs() ** FOCAL_GAMMA
    return (factor * cross_entropy).mean(-1)


def dice_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """(P, M) dice loss of logits (P, M, L) against targets (P, 1, L)."""
    probabilities = logits.sigmoid()
    overlap = (probabilities * targets).sum(-1)
    total = probabilities.sum(-1) + targets.sum(-1)
    return 1 - (2 * overlap + DICE_SMOOTHING) / (total + DICE_SMOOTHING)


def binary_iou(logits: Tensor, targets: Tensor) -> Tensor:
    """(P, M) IoU of thresholded logits (P, M, L) and targets (P, 1, L); 0 where both are empty."""
    predicted, truth = logits > 0, targets > 0.5
    overlap = (predicted & truth).sum(-1)
    union = (predicted | truth).sum(-1)
    return overlap / union.clamp_min(1)


def affinity_loss(features: Tensor, cells: Tensor, target_masks: Tensor) -> Tensor:
    """How badly feature similarity to a clicked cell separates target from rest; a scalar.

    Args:
        features: (P, C, side, side).
        cells: (P, 2) int64 xy of a cell inside each target.
        target_masks: (P, side, side) coverage.
    """
    unit = F.normalize(features.float(), dim=1).flatten(2)  # P C L
    index = cells[:, 1] * features.shape[-1] + cells[:, 0]
    clicked = unit[torch.arange(len(index), device=index.device), :, index]  # P C
    similarity = torch.einsum("pc,pcl->pl", clicked, unit)
    logits = _AFFINITY_SCALE * (similarity - 0.5).unsqueeze(1)
    targets = target_masks.flatten(1).unsqueeze(1)
    cross_entropy = F.binary_cross_entropy_with_logits(logits, targets)
    return cross_entropy + dice_loss(logits, targets).mean()


def round_loss(decoded: DecodedMasks, target_masks: Tensor, config: LossConfig) -> LossTerms:
    """The loss of one prompt round.

    Args:
        decoded: M masks of P prompts; only the best one of each prompt learns at full weight.
        target_masks: (P, side, side) coverage.
        config: weights and choices.
    """
    logits = decoded.low_res_logits.float().flatten(2)  # P M L
    targets = target_masks.flatten(1).unsqueeze(1)  # P 1 L
    normalized = config.mask_loss == "normalized_focal"
    mask = focal_loss(logits, targets, normalized=normalized, alpha=config.focal_alpha)
    dice = dice_loss(logits, targets)
    combined = config.focal_weight * mask + config.dice_weight * dice

    with torch.no_grad():
        M = combined.shape[1]
        won = F.one_hot(combined.argmin(1), M).to(combined.dtype)  # P M
        others = config.other_masks_weight / max(1, M - 1) if M > 1 else 0.0
        weights = won * (1 - config.other_masks_weight * (M > 1)) + (1 - won) * others
        iou_weights = torch.full_like(won, 1 / M) if config.supervise_all_ious else won
        target_ious = binary_iou(logits, targets)

    error = decoded.iou_predictions.float() - target_ious
    iou_error = error.abs() if config.iou_error == "absolute" else error**2
    mask_term = (weights * mask).sum(1)
    dice_term = (weights * dice).sum(1)
    iou_term = (iou_weights * iou_error).sum(1)
    total = (
        config.focal_weight * mask_term.mean()
        + config.dice_weight * dice_term.mean()
        + config.iou_weight * iou_term.mean()
    )
    return LossTerms(
        total=total, mask=mask_term.detach(), dice=dice_term.detach(), iou=iou_term.detach()
    )
