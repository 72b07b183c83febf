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


def test_texts_are_encoded_once_each_and_only_some_prompts_have_one():
    asked = []

    def encode(texts: list[str]) -> torch.Tensor:
        asked.append(texts)
        return torch.tensor([[float(len(text)), 1.0] for text in texts])

    prompts = [
        Prompt(text="car"),
        Prompt(box=[0, 0, 9, 9]),
        Prompt(text="a car", point_coords=[[1, 2]]),
        Prompt(text="car", box=[0, 0, 9, 9]),
    ]
    packed = pack_prompts(prompts, FRAME, 32, CPU, encode)
    assert asked == [["car", "a car"]]
    assert packed.text_embeddings.tolist() == [[3, 1], [0, 0], [5, 1], [3, 1]]
    assert packed.has_text.tolist() == [True, False, True, True]
    # text alone adds no padding point, as a mask alone does not
    assert packed.point_labels.tolist() == [[-2, -2], [2, 3], [1, -1], [2, 3]]


def test_without_texts_nothing_is_encoded():
    packed = pack_prompts([Prompt(box=[0, 0, 9, 9])], FRAME, 32, CPU)
    assert packed.text_embeddings is None
    assert packed.has_text is None


def test_text_without_an_encoder_is_told():
    with pytest.raises(InvalidInputError, match="need a text encoder, got 'car' and none"):
        pack_prompts([Prompt(text="car")], FRAME, 32, CPU)


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ({"point_coords": [[1, 1]]}, True),
        ({"text": "car"}, True),
        ({"text": "car", "point_coords": [[1, 1]]}, False),
        ({"text": "car", "box": [0, 0, 2, 2]}, False),
        ({"box": [0, 0, 2, 2]}, True),
        ({"point_coords": [[1, 1], [2, 2]]}, False),
        ({"point_coords": [[1, 1]], "box": [0, 0, 2, 2]}, False),
        ({"point_coords": [[1, 1]], "mask_input": np.zeros((4, 4))}, False),
        ({"mask_input": np.zeros((4, 4))}, False),
    ],
)
def test_one_point_or_box_or_text_alone_is_ambiguous(parts, expected):
    assert is_ambiguous(Prompt(**parts)) is expected


def test_a_model_can_take_boxes_as_clear():
    assert not is_ambiguous(Prompt(box=[1, 1, 5, 5]), box_is_ambiguous=False)
    assert is_ambiguous(Prompt(point_coords=[[1, 1]]), box_is_ambiguous=False)
