import torch

from anymask.core.frames import ImageFrame
from anymask.inference.logits_window import windows_of
from anymask.inference.mask_upscaling import MaskUpscaler
from smooth_logits import smooth_logits


def test_window_gives_the_same_full_size_mask_as_all_logits():
    logits = smooth_logits(6, sigma=3)
    logits[4, :, 8:] = -7.0
    logits[5] = -7.0
    upscaler = MaskUpscaler(
        ImageFrame(original_size=(500, 700), image_size=128), 32, torch.device("cpu")
    )
    whole = upscaler.rles(logits, 0.5)
    for window, rle in zip(windows_of(logits, 0.5), whole, strict=True):
        assert upscaler.rles(window.restored(32, background=-0.5)[None], 0.5) == [rle]


def test_window_keeps_little_of_a_small_mask():
    logits = torch.full((2, 64, 64), -1e9)
    logits[0, 30:33, 40] = 1e9
    small, empty = windows_of(logits, 0.0)
    assert small.values.shape == (9, 7)
    assert small.restored(64, background=-1.0)[31, 40] == 1e9
    assert (small.restored(64, background=-1.0) > 0).sum() == 3
    assert not (empty.restored(64, background=-1.0) > 0).any()
