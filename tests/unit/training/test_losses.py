import math

import pytest
import torch

from anymask.model.features import DecodedMasks
from anymask.training.config import LossConfig
from anymask.training.losses import affinity_loss, binary_iou, dice_loss, focal_loss, round_loss


def test_focal_loss_of_one_even_guess_is_a_quarter_of_log_two() -> None:
    loss = focal_loss(torch.zeros(1, 1, 4), torch.ones(1, 1, 4), normalized=False)
    assert float(loss) == pytest.approx(0.25 * math.log(2))


def test_normalized_focal_loss_does_not_depend_on_how_many_cells_are_easy() -> None:
    targets = torch.zeros(1, 1, 100)
    targets[..., :2] = 1
    logits = torch.full((1, 1, 100), -30.0)
    few = focal_loss(logits[..., :4], targets[..., :4], normalized=True)
    many = focal_loss(logits, targets, normalized=True)
    assert float(few) == pytest.approx(float(many), rel=1e-4)
    plain = focal_loss(logits, targets, normalized=False)
    assert float(plain) < float(focal_loss(logits[..., :4], targets[..., :4], normalized=False))


def test_dice_loss_is_zero_for_the_right_mask_and_one_for_the_opposite() -> None:
    targets = torch.tensor([[[1.0] * 50 + [0.0] * 50]])
    right = (targets * 2 - 1) * 40
    assert float(dice_loss(right, targets)) == pytest.approx(0.0, abs=1e-5)
    assert float(dice_loss(-right, targets)) == pytest.approx(1.0, abs=0.02)


def test_binary_iou_counts_thresholded_cells() -> None:
    logits = torch.tensor([[[1.0, 1.0, -1.0, -1.0]]])
    assert float(binary_iou(logits, torch.tensor([[[1.0, 0.0, 1.0, 0.0]]]))) == pytest.approx(1 / 3)
    assert float(binary_iou(-torch.ones(1, 1, 4), torch.zeros(1, 1, 4))) == 0.0


def test_affinity_is_low_where_features_follow_the_target_and_high_where_they_do_not() -> None:
    target = torch.zeros(1, 4, 4)
    target[:, :2] = 1
    features = torch.stack([target, 1 - target], dim=1)  # one direction inside, another outside
    inside = torch.tensor([[1, 0]])
    right = float(affinity_loss(features, inside, target))
    wrong = float(affinity_loss(features, inside, target.mT))
    assert right < 0.1
    assert wrong > 2.0


def _three_masks() -> tuple[DecodedMasks, torch.Tensor]:
    target = torch.zeros(1, 4, 4)
    target[:, :2] = 1
    good = (target * 2 - 1) * 3.0
    logits = torch.stack([-good, good, torch.zeros_like(good)], dim=1).requires_grad_()
    ious = torch.full((1, 3), 0.5, requires_grad=True)
    return DecodedMasks(low_res_logits=logits, iou_predictions=ious), target


def test_papers_loss_teaches_only_the_winning_mask() -> None:
    decoded, target = _three_masks()
    config = LossConfig(other_masks_weight=0.0, supervise_all_ious=False, mask_loss="focal")
    round_loss(decoded, target, config).total.backward()
    gradient = decoded.low_res_logits.grad
    assert gradient is not None
    per_mask = gradient.abs().sum((0, 2, 3))
    assert per_mask[1] > 0
    assert per_mask[0] == per_mask[2] == 0
    assert decoded.iou_predictions.grad is not None
    assert decoded.iou_predictions.grad[0].count_nonzero() == 1


def test_other_masks_keep_a_share_so_that_none_dies() -> None:
    decoded, target = _three_masks()
    round_loss(decoded, target, LossConfig(other_masks_weight=0.15)).total.backward()
    gradient = decoded.low_res_logits.grad
    assert gradient is not None
    assert bool((gradient.abs().sum((0, 2, 3)) > 0).all())


def test_iou_target_is_the_iou_of_the_thresholded_mask() -> None:
    decoded, target = _three_masks()
    exact = DecodedMasks(
        low_res_logits=decoded.low_res_logits, iou_predictions=torch.tensor([[0.0, 1.0, 0.0]])
    )
    assert float(round_loss(exact, target, LossConfig()).iou.detach()) == pytest.approx(0.0)
