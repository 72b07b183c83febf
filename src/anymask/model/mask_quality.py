"""Predicted IoU from the mask itself, not from a token alone.

The paper's head reads one token that was ready before any mask existed, and in a small model it
hardly ranks (docs/experiments.md, 8). This one looks at what was drawn: how sure its pixels are,
how stable its edge is, and how its inside differs from what surrounds it.

Letters: P prompts, M masks of a prompt, D width, h w embedding grid.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from anymask.model.layers import ReluMlp

NUM_STATISTICS = 5
# Of the stability score (App. B). The paper's is 1; a small model's logits are soft, and at 1 half
# of its masks score below 0.02. At 0.2 the scores use their range.
_LOGIT_OFFSET = 0.2
_RING_CELLS = 5  # window whose dilation of the mask is its surroundings
_STRIDE = 4  # pixels of the mask a side per embedding cell


class MaskQuality(nn.Module):
    """(P, M) logits of predicted IoU. Pixels are read without gradient: judging must not redraw."""

    def __init__(self, dim: int, hidden_dim: int, num_layers: int) -> None:
        super().__init__()
        self.head = ReluMlp(4 * dim + NUM_STATISTICS, hidden_dim, 1, num_layers)

    def forward(
        self, iou_token: Tensor, mask_tokens: Tensor, mask_logits: Tensor, cells: Tensor
    ) -> Tensor:
        """The IoU logits.

        Args:
            iou_token: (P, D) after the transformer.
            mask_tokens: (P, M, D) after the transformer.
            mask_logits: (P, M, 4h, 4w).
            cells: (P, D, h, w) image embedding after the transformer.
        """
        with torch.no_grad(), torch.autocast(mask_logits.device.type, enabled=False):
            statistics, inside, contrast = _look(mask_logits.float(), cells.float())
        M = mask_tokens.shape[1]
        tokens = iou_token.unsqueeze(1).expand(-1, M, -1)
        seen = torch.cat([inside, contrast, statistics], dim=-1).to(tokens.dtype)
        return self.head(torch.cat([tokens, mask_tokens, seen], dim=-1))[..., 0]  # type: ignore[no-any-return]


def _look(logits: Tensor, cells: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(P, M, 5) statistics; (P, M, D) mean feature inside; inside minus surroundings."""
    probability = logits.sigmoid()
    coverage = F.avg_pool2d(probability, _STRIDE)  # P M h w
    near = F.max_pool2d(coverage, _RING_CELLS, stride=1, padding=_RING_CELLS // 2)
    flat = cells.flatten(2).mT  # P L D
    inside = _weighted_mean(coverage, flat)
    ring = _weighted_mean(near * (1 - coverage), flat)
    return _statistics(logits.flatten(2), probability.flatten(2)), inside, inside - ring


def _weighted_mean(weights: Tensor, values: Tensor) -> Tensor:
    """(P, M, D): mean of values (P, L, D) under weights (P, M, h, w)."""
    weights = weights.flatten(2)
    return (weights @ values) / weights.sum(-1, keepdim=True).clamp_min(1e-3)


def _statistics(logits: Tensor, probability: Tensor) -> Tensor:
    """(P, M, 5) numbers of flattened masks, each in [0, 1].

    The expected IoU if pixels were independent and calibrated, the stability score, the mean
    certainty inside, the root of the area, and the root of the area that is unsure.
    """
    inside = (logits > 0).float()
    sure = (probability * inside).sum(-1)
    expected_iou = sure / (inside.sum(-1) + (probability * (1 - inside)).sum(-1)).clamp_min(1e-3)
    core = (logits > _LOGIT_OFFSET).float().sum(-1)
    reach = (logits > -_LOGIT_OFFSET).float().sum(-1)
    certainty = sure / inside.sum(-1).clamp_min(1.0)
    area = inside.mean(-1)
    unsure = (reach - core) / logits.shape[-1]
    stability = core / reach.clamp_min(1.0)
    return torch.stack([expected_iou, stability, certainty, area.sqrt(), unsure.sqrt()], dim=-1)
