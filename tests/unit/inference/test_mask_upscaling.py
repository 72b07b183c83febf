import numpy as np
import pytest
import torch

from anymask.core.frames import ImageFrame
from anymask.core.rle import Rle
from anymask.inference.mask_tensors import (
    logits_to_boxes,
    stability_scores,
    upscale_logits,
    without_padding,
)
from anymask.inference.mask_upscaling import MaskUpscaler
from smooth_logits import smooth_logits

CPU = torch.device("cpu")
SIZES = [(150, 230), (230, 150), (40, 60), (1, 1), (1, 300), (300, 1), (64, 64), (97, 640)]


@pytest.mark.parametrize("size", SIZES)
def test_masks_and_stability_are_those_of_full_size_logits(size):
    frame = ImageFrame(original_size=size, image_size=128)
    logits = smooth_logits(5)
    logits[3], logits[4] = -9.0, 9.0
    full = torch.stack([upscale_logits(row, frame) for row in logits])
    upscaler = MaskUpscaler(frame, 32, CPU)
    rles, scores = upscaler.stable_rles(logits, 0.3, 1.0)
    for rle, expected in zip(rles, full > 0.3, strict=True):
        # A value that is the threshold but for rounding may fall on either side.
        assert np.count_nonzero(rle.to_mask() != expected.numpy()) <= 1
    torch.testing.assert_close(scores, stability_scores(full, 0.3, 1.0), atol=2e-3, rtol=0)
    assert upscaler.rles(logits, 0.3) == rles


def test_no_logits_give_no_masks():
    upscaler = MaskUpscaler(ImageFrame(original_size=(20, 30), image_size=128), 32, CPU)
    rles, scores = upscaler.stable_rles(torch.zeros(0, 32, 32), 0.0, 1.0)
    assert rles == []
    assert scores.shape == (0,)


def test_object_of_few_cells_is_found_in_a_large_image():
    logits = torch.full((1, 32, 32), -5.0)
    logits[0, 20, 11] = 5.0
    frame = ImageFrame(original_size=(6000, 9000), image_size=128)
    (rle,) = MaskUpscaler(frame, 32, CPU).rles(logits, 0.0)
    expected = Rle.from_mask((upscale_logits(logits[0], frame) > 0).numpy())
    assert rle == expected


@pytest.mark.parametrize("size", [(150, 230), (230, 150), (1000, 1500)])
def test_boxes_of_logits_are_near_those_of_full_size_masks(size):
    frame = ImageFrame(original_size=size, image_size=128)
    logits = smooth_logits(8, sigma=4) - 2.0
    logits[6], logits[7] = -9.0, 9.0
    got = logits_to_boxes(without_padding(logits, frame), frame, 0.0)
    rles = MaskUpscaler(frame, 32, CPU).rles(logits, 0.0)
    expected = np.array([rle.to_box() for rle in rles])
    errors_in_cells = np.abs(got.numpy() - expected) / (max(size) / 32)
    assert errors_in_cells.max() < 1
    assert np.median(errors_in_cells) < 0.05
