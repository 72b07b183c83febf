import numpy as np
import pytest

from anymask.core.errors import InvalidInputError
from anymask.core.frames import PIXEL_CENTER_OFFSET, ImageFrame


@pytest.mark.parametrize(
    ("original_size", "input_size"),
    [
        ((1500, 2250), (683, 1024)),
        ((2250, 1500), (1024, 683)),
        ((1024, 1024), (1024, 1024)),
        ((1, 5000), (1, 1024)),
        ((2, 3), (683, 1024)),
    ],
)
def test_longest_side_fills_the_square(original_size, input_size):
    assert ImageFrame(original_size=original_size, image_size=1024).input_size == input_size


def test_half_a_pixel_is_added_in_the_model_frame():
    # What the reference does with a click on pixel (10, 20): scale the raw index, then add 0.5.
    frame = ImageFrame(original_size=(100, 50), image_size=200)
    expected = np.array([10, 20]) * (100 / 50, 200 / 100) + 0.5
    np.testing.assert_array_equal(frame.points_to_model([10, 20]), expected)
    # Exact geometry would say (10.5, 20.5) * 2 = (21, 41); the gap is the known 0.5 * |scale - 1|.
    np.testing.assert_array_equal(expected, np.array([21, 41]) - 0.5)
    assert PIXEL_CENTER_OFFSET == 0.5


def test_scales_follow_the_rounded_sides_of_each_axis():
    frame = ImageFrame(original_size=(1500, 2250), image_size=1024)
    expected = np.array([2250 * 1024 / 2250, 1500 * 683 / 1500]) + 0.5
    np.testing.assert_allclose(frame.points_to_model([2250, 1500]), expected)


def test_box_corners_move_like_points():
    frame = ImageFrame(original_size=(30, 40), image_size=64)
    boxes = np.array([[1, 2, 11, 22], [0, 0, 40, 30]])
    moved = frame.boxes_to_model(boxes)
    assert moved.shape == (2, 4)
    assert moved.dtype == np.float32
    np.testing.assert_array_equal(moved[:, 2:], frame.points_to_model(boxes[:, 2:]))
    np.testing.assert_allclose(frame.boxes_to_original(moved), boxes, atol=1e-4)


def test_no_points_stay_no_points():
    frame = ImageFrame(original_size=(30, 40), image_size=64)
    assert frame.points_to_model(np.zeros((3, 0, 2))).shape == (3, 0, 2)


def test_wrong_shapes_and_sizes_are_named():
    frame = ImageFrame(original_size=(30, 40), image_size=64)
    with pytest.raises(InvalidInputError, match="point_coords must have shape"):
        frame.points_to_model([1, 2, 3])
    with pytest.raises(InvalidInputError, match="model_boxes must have shape"):
        frame.boxes_to_original([1, 2])
    with pytest.raises(InvalidInputError, match="original_size"):
        ImageFrame(original_size=(0, 40), image_size=64)
    with pytest.raises(InvalidInputError, match="image_size"):
        ImageFrame(original_size=(3, 4), image_size=0)
