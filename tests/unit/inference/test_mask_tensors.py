import numpy as np
import pytest
import torch
import torch.nn.functional as F

from anymask.core.frames import ImageFrame
from anymask.core.geometry import mask_iou, mask_to_box
from anymask.core.rle import Rle
from anymask.inference.mask_tensors import (
    mask_ious,
    masks_to_boxes,
    masks_to_rles,
    stability_scores,
    upscale_logits,
)


@pytest.fixture
def masks() -> torch.Tensor:
    """Return random, empty, full and one-pixel masks."""
    random = torch.rand(5, 7, 11, generator=torch.Generator().manual_seed(0)) > 0.7
    random[1], random[2], random[3] = False, True, False
    random[3, 6, 10] = True
    return random


def test_boxes_equal_those_of_single_masks(masks):
    expected = np.stack([mask_to_box(mask.numpy()) for mask in masks])
    assert np.array_equal(masks_to_boxes(masks).numpy(), expected)


def test_no_masks_have_no_boxes_and_no_runs(masks):
    assert masks_to_boxes(masks[:0]).shape == (0, 4)
    assert masks_to_rles(masks[:0]) == []


def test_runs_equal_those_of_single_masks(masks):
    assert masks_to_rles(masks) == [Rle.from_mask(mask.numpy()) for mask in masks]


def test_overlaps_equal_those_of_single_masks(masks):
    got = mask_ious(masks, masks[:3])
    assert got.shape == (5, 3)
    for i in range(5):
        for j in range(3):
            expected = mask_iou(masks[i].numpy(), masks[j].numpy())
            assert float(got[i, j]) == pytest.approx(expected, abs=1e-6)


def test_stability_is_the_share_that_stays_when_the_threshold_rises():
    logits = torch.tensor([[[5.0, 5.0], [0.5, -5.0]], [[-9.0, -9.0], [-9.0, -9.0]]])
    assert stability_scores(logits, 0.0, 1.0).tolist() == pytest.approx([2 / 3, 0.0])
    assert stability_scores(logits, 0.0, 0.1).tolist() == [1.0, 0.0]


@pytest.mark.parametrize("size", [(30, 50), (200, 90), (1, 7)])
def test_upscaling_goes_through_the_model_square_without_its_padding(size):
    frame = ImageFrame(original_size=size, image_size=64)
    low_res = torch.randn(16, 16, generator=torch.Generator().manual_seed(0))
    square = F.interpolate(low_res[None, None], (64, 64), mode="bilinear", align_corners=False)
    height, width = frame.input_size
    expected = F.interpolate(
        square[..., :height, :width], size, mode="bilinear", align_corners=False
    )
    torch.testing.assert_close(upscale_logits(low_res, frame), expected[0, 0])
