import numpy as np
import pytest
import torch

from anymask.core.frames import ImageFrame
from anymask.core.rle import Rle
from anymask.inference import mask_upscaling
from anymask.inference.mask_tensors import stability_scores, upscale_logits
from anymask.inference.mask_upscaling import MaskUpscaler
from smooth_logits import smooth_logits

CPU = torch.device("cpu")
SIZES = [(150, 230), (230, 150), (40, 60), (1, 1), (1, 300), (300, 1), (64, 64), (97, 640)]


@pytest.mark.parametrize("size", SIZES)
def test_masks_and_measures_are_those_of_full_size_logits(size):
    frame = ImageFrame(original_size=size, image_size=128)
    logits = smooth_logits(5)
    logits[3], logits[4] = -9.0, 9.0
    full = torch.stack([upscale_logits(row, frame) for row in logits])
    upscaler = MaskUpscaler(frame, 32, CPU)
    rles = upscaler.rles(logits, 0.3)
    for rle, expected in zip(rles, full > 0.3, strict=True):
        # A value that is the threshold but for rounding may fall on either side.
        assert np.count_nonzero(rle.to_mask() != expected.numpy()) <= 1
    measures = upscaler.measures(logits, 0.3, 1.0)
    scores = stability_scores(full, 0.3, 1.0).numpy()
    np.testing.assert_allclose(measures.stability_scores, scores, atol=2e-3)
    assert measures.areas.tolist() == [rle.area for rle in rles]
    assert measures.boxes.tolist() == [rle.to_box().tolist() for rle in rles]


@pytest.mark.parametrize("size", SIZES)
def test_pixels_of_smooth_masks_and_of_noise_are_those_of_full_size_logits(size):
    frame = ImageFrame(original_size=size, image_size=128)
    noise = torch.randn(2, 32, 32, generator=torch.Generator().manual_seed(0))
    logits = torch.cat([smooth_logits(3), noise, torch.full((1, 32, 32), 9.0)])
    masks = MaskUpscaler(frame, 32, CPU).masks(logits, 0.3)
    assert masks.dtype == np.bool_
    assert masks.shape == (6, *size)
    for mask, row in zip(masks, logits, strict=True):
        expected = (upscale_logits(row, frame) > 0.3).numpy()
        # A value that is the threshold but for rounding may fall on either side.
        assert np.count_nonzero(mask != expected) <= 1


def test_a_large_image_is_worked_on_in_strips(monkeypatch):
    frame = ImageFrame(original_size=(150, 230), image_size=128)
    logits = smooth_logits(3)
    whole = MaskUpscaler(frame, 32, CPU)
    monkeypatch.setattr(mask_upscaling, "_STRIP_PX", 1)
    strips = MaskUpscaler(frame, 32, CPU)
    assert strips.rles(logits, 0.3) == whole.rles(logits, 0.3)
    for name in ("boxes", "areas", "stability_scores"):
        got, expected = (getattr(x.measures(logits, 0.3, 1.0), name) for x in (strips, whole))
        np.testing.assert_array_equal(got, expected)


def test_no_logits_give_no_masks():
    upscaler = MaskUpscaler(ImageFrame(original_size=(20, 30), image_size=128), 32, CPU)
    assert upscaler.rles(torch.zeros(0, 32, 32), 0.0) == []
    measures = upscaler.measures(torch.zeros(0, 32, 32), 0.0, 1.0)
    assert measures.boxes.shape == (0, 4)
    assert measures.areas.shape == measures.stability_scores.shape == (0,)


def test_object_of_few_cells_is_found_in_a_large_image():
    logits = torch.full((1, 32, 32), -5.0)
    logits[0, 20, 11] = 5.0
    frame = ImageFrame(original_size=(6000, 9000), image_size=128)
    (rle,) = MaskUpscaler(frame, 32, CPU).rles(logits, 0.0)
    expected = Rle.from_mask((upscale_logits(logits[0], frame) > 0).numpy())
    assert rle == expected
