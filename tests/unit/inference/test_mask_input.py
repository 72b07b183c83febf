import numpy as np
import pytest

from anymask.core.errors import InvalidInputError
from anymask.core.frames import ImageFrame
from anymask.inference.mask_input import SURE_LOGIT, mask_to_logits

FRAME = ImageFrame(original_size=(60, 120), image_size=64)


def test_mask_is_sure_inside_and_outside_and_the_padding_is_outside():
    mask = np.zeros((60, 120), dtype=bool)
    mask[:, 60:] = True
    logits = mask_to_logits(mask, FRAME, 16)
    assert logits.shape == (1, 16, 16)
    assert logits.dtype == np.float32
    assert (logits[0, :8, 9:] == SURE_LOGIT).all()
    assert (logits[0, :8, :7] == -SURE_LOGIT).all()
    assert (logits[0, 8:] == -SURE_LOGIT).all()


def test_mask_of_another_size_is_told():
    with pytest.raises(InvalidInputError, match="the image's size 120 x 60, got 5 x 4"):
        mask_to_logits(np.zeros((4, 5), dtype=bool), FRAME, 16)
