import dataclasses

import numpy as np
import pytest

from anymask.core.errors import InvalidInputError
from anymask.core.prompts import PointLabel, Prompt


def test_lists_become_arrays():
    prompt = Prompt(point_coords=[[1, 2], [3, 4]], point_labels=[1, 0], box=[0, 0, 5, 6])
    assert prompt.point_coords.dtype == np.float32
    assert prompt.point_coords.shape == (2, 2)
    assert prompt.point_labels.dtype == np.int64
    assert prompt.box.dtype == np.float32
    assert prompt.mask_input is None
    assert prompt.num_points == 2


def test_labels_left_out_mean_foreground():
    prompt = Prompt(point_coords=[[1, 2], [3, 4]])
    assert prompt.point_labels.tolist() == [PointLabel.FOREGROUND] * 2


def test_mask_input_gets_its_channel():
    assert Prompt(mask_input=np.zeros((4, 4))).mask_input.shape == (1, 4, 4)
    assert Prompt(mask_input=np.zeros((1, 4, 4))).mask_input.shape == (1, 4, 4)
    assert Prompt(mask_input=np.zeros((4, 4))).num_points == 0


def test_text_is_tidied_and_composes_with_the_other_parts():
    assert Prompt(text="  the\n red   car ").text == "the red car"
    prompt = Prompt(text="car", point_coords=[[1, 2]], box=[0, 0, 5, 6])
    assert (prompt.text, prompt.num_points) == ("car", 1)
    assert Prompt(box=[0, 0, 5, 6]).text is None


def test_prompt_holds_its_own_copy_and_is_frozen():
    coords = np.ones((1, 2), dtype=np.float32)
    prompt = Prompt(point_coords=coords)
    coords[:] = 9
    assert prompt.point_coords.tolist() == [[1, 1]]
    with pytest.raises(dataclasses.FrozenInstanceError):
        prompt.box = [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({}, "got none"),
        ({"point_labels": [1], "box": [0, 0, 1, 1]}, "must come with point_coords"),
        ({"point_coords": [1, 2]}, r"\(N, 2\) with N at least 1, got \(2,\)"),
        ({"point_coords": np.zeros((0, 2))}, "N at least 1"),
        ({"point_coords": [[1, 2], [3]]}, "even rows"),
        ({"point_coords": [["a", "b"]]}, "must be numbers"),
        ({"point_coords": [[1, float("nan")]]}, "finite"),
        ({"point_coords": [[1, 2]], "point_labels": [1, 0]}, r"shape \(2,\) for 1 points"),
        ({"point_coords": [[1, 2]], "point_labels": [2]}, "got 2. Pass boxes as box"),
        ({"point_coords": [[1, 2]], "point_labels": [0.5]}, "got 0.5"),
        ({"box": [5, 0, 1, 1]}, "xyxy"),
        ({"box": [1, 1, 1, 4]}, "xyxy"),
        ({"box": [[0, 0, 1, 1]]}, r"shape \(4,\)"),
        ({"box": [0, 0, float("inf"), 1]}, "finite"),
        ({"mask_input": np.zeros((3, 4, 4))}, r"\(1, h, w\), got \(3, 4, 4\)"),
        ({"mask_input": np.zeros((0, 4))}, r"\(1, h, w\)"),
        ({"text": ""}, "text must have a word, got ''"),
        ({"text": " \n "}, "text must have a word"),
        ({"text": ["a", "b"]}, "a string, got list. Make a Prompt for each"),
    ],
)
def test_malformed_prompts_are_refused(parts, message):
    with pytest.raises(InvalidInputError, match=message):
        Prompt(**parts)


def test_points_on_the_border_are_inside():
    Prompt(point_coords=[[0, 0], [40, 30]]).check_inside((30, 40))


def test_point_outside_is_named_with_the_size():
    prompt = Prompt(point_coords=[[1, 1], [35, 31.5]])
    with pytest.raises(InvalidInputError, match=r"40 x 30 pixels.*\(35, 31\.5\)"):
        prompt.check_inside((30, 40))
    with pytest.raises(InvalidInputError, match=r"\(-1, 0\)"):
        Prompt(point_coords=[[-1, 0]]).check_inside((30, 40))


def test_box_may_stick_out_but_not_lie_beside():
    Prompt(box=[-5, -5, 1, 1]).check_inside((30, 40))
    for box in ([40, 0, 50, 10], [-5, 0, 0, 10], [0, 30, 9, 40], [0, -9, 9, 0]):
        with pytest.raises(InvalidInputError, match="box must overlap the image of 40 x 30"):
            Prompt(box=box).check_inside((30, 40))
