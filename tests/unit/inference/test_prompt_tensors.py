import numpy as np
import pytest
import torch

from anymask.core.errors import InvalidInputError
from anymask.core.frames import ImageFrame
from anymask.core.prompts import Prompt
from anymask.inference.prompt_tensors import is_ambiguous, pack_prompts

FRAME = ImageFrame(original_size=(32, 64), image_size=128)
CPU = torch.device("cpu")


def test_points_then_box_corners_or_padding_then_fillers():
    packed = pack_prompts(
        [
            Prompt(point_coords=[[1, 2], [3, 4]], point_labels=[1, 0], box=[0, 1, 10, 20]),
            Prompt(point_coords=[[5, 6]]),
            Prompt(box=[1, 1, 2, 2]),
        ],
        FRAME,
        32,
        CPU,
    )
    assert packed.point_labels.tolist() == [[1, 0, 2, 3], [1, -1, -2, -2], [2, 3, -2, -2]]
    assert packed.point_coords[0].tolist() == [[2.5, 4.5], [6.5, 8.5], [0.5, 2.5], [20.5, 40.5]]
    assert packed.point_coords[1, 0].tolist() == [10.5, 12.5]
    assert packed.mask_input is None
    assert packed.has_mask is None


def test_prompt_of_only_a_mask_has_one_filler():
    packed = pack_prompts([Prompt(mask_input=np.ones((32, 32)))], FRAME, 32, CPU)
    assert packed.point_labels.tolist() == [[-2]]
    assert packed.mask_input.shape == (1, 1, 32, 32)
    assert packed.has_mask.tolist() == [True]


def test_only_some_prompts_have_masks():
    prompts = [Prompt(box=[0, 0, 9, 9]), Prompt(box=[0, 0, 9, 9], mask_input=np.ones((32, 32)))]
    packed = pack_prompts(prompts, FRAME, 32, CPU)
    assert packed.has_mask.tolist() == [False, True]
    assert packed.mask_input.amax(dim=(1, 2, 3)).tolist() == [0, 1]


def test_mask_of_another_size_is_told():
    with pytest.raises(InvalidInputError, match=r"must have shape \(1, 32, 32\)"):
        pack_prompts([Prompt(mask_input=np.ones((16, 16)))], FRAME, 32, CPU)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"point_coords": [[1, 1]]}, True),
        ({"box": [0, 0, 2, 2]}, True),
        ({"point_coords": [[1, 1], [2, 2]]}, False),
        ({"point_coords": [[1, 1]], "box": [0, 0, 2, 2]}, False),
        ({"point_coords": [[1, 1]], "mask_input": np.zeros((4, 4))}, False),
        ({"mask_input": np.zeros((4, 4))}, False),
    ],
)
def test_one_point_or_one_box_alone_is_ambiguous(parts, expected):
    assert is_ambiguous(Prompt(**parts)) is expected


def test_a_model_can_take_boxes_as_clear():
    assert not is_ambiguous(Prompt(box=[1, 1, 5, 5]), box_is_ambiguous=False)
    assert is_ambiguous(Prompt(point_coords=[[1, 1]]), box_is_ambiguous=False)
