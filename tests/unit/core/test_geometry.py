import numpy as np
import pytest

from anymask.core.errors import InvalidInputError
from anymask.core.geometry import (
    box_area,
    box_iou,
    mask_iou,
    mask_to_box,
    non_max_suppression,
    xywh_to_xyxy,
    xyxy_to_xywh,
)


def test_box_conversions_are_inverse_and_keep_leading_axes():
    boxes = np.array([[[1.5, 2, 4, 6]], [[0, 0, 1, 9]]], dtype=np.float32)
    xywh = xyxy_to_xywh(boxes)
    np.testing.assert_array_equal(xywh[0, 0], [1.5, 2, 2.5, 4])
    assert xywh.dtype == np.float32
    np.testing.assert_array_equal(xywh_to_xyxy(xywh), boxes)


def test_boxes_need_four_numbers():
    with pytest.raises(InvalidInputError, match=r"\(\.\.\., 4\), got \(3,\)"):
        xyxy_to_xywh([1, 2, 3])


def test_area_of_a_swapped_box_is_zero():
    np.testing.assert_array_equal(box_area([[4, 4, 1, 1], [0, 0, 2, 3]]), [0, 6])


def test_iou_is_pairwise():
    a, b = [[0, 0, 2, 2], [0, 0, 4, 4]], [[0, 0, 2, 2], [2, 2, 4, 4], [9, 9, 10, 10]]
    np.testing.assert_allclose(box_iou(a, b), [[1, 0, 0], [0.25, 0.25, 0]])


def test_iou_of_empty_boxes_is_zero():
    np.testing.assert_array_equal(box_iou([[1, 1, 1, 1]], [[1, 1, 1, 1]]), [[0]])
    assert box_iou(np.zeros((0, 4)), [[0, 0, 1, 1]]).shape == (0, 1)
    assert box_iou([], [[0, 0, 1, 1]]).shape == (0, 1)


def test_suppression_drops_overlaps_and_orders_by_score():
    boxes = [[0, 0, 10, 10], [0, 0, 10, 9], [20, 0, 30, 10], [0, 0, 10, 5]]
    kept = non_max_suppression(boxes, [0.5, 0.9, 0.7, 0.1], 0.7)
    np.testing.assert_array_equal(kept, [1, 2, 3])


def test_suppression_keeps_the_lower_index_of_equal_scores():
    boxes = [[0, 0, 4, 4]] * 3
    np.testing.assert_array_equal(non_max_suppression(boxes, [0.5, 0.5, 0.5], 0.7), [0])


def test_overlap_equal_to_the_threshold_is_kept():
    boxes = [[0, 0, 2, 1], [0, 0, 1, 1]]
    assert len(non_max_suppression(boxes, [1, 0], 0.5)) == 2
    assert len(non_max_suppression(boxes, [1, 0], 0.49)) == 1


def test_suppression_of_nothing_is_nothing():
    assert non_max_suppression([], [], 0.5).shape == (0,)


def test_suppression_needs_a_score_per_box():
    with pytest.raises(InvalidInputError, match="one number per box"):
        non_max_suppression([[0, 0, 1, 1]], [0.1, 0.2], 0.5)


def test_box_of_empty_mask_is_zero():
    np.testing.assert_array_equal(mask_to_box(np.zeros((4, 5), dtype=bool)), np.zeros(4))


def test_box_of_mask_is_half_open():
    mask = np.zeros((6, 7), dtype=bool)
    mask[2, 3] = True
    box = mask_to_box(mask)
    assert box.dtype == np.float32
    np.testing.assert_array_equal(box, [3, 2, 4, 3])


def test_mask_iou_of_two_empty_masks_is_one():
    empty = np.zeros((3, 3), dtype=bool)
    assert mask_iou(empty, empty) == 1.0
    assert mask_iou(empty, ~empty) == 0.0


def test_mask_iou_refuses_other_shapes_and_types():
    mask = np.zeros((2, 2), dtype=bool)
    with pytest.raises(InvalidInputError, match="same shape"):
        mask_iou(mask, np.zeros((2, 3), dtype=bool))
    with pytest.raises(InvalidInputError, match="b must be a bool array"):
        mask_iou(mask, np.zeros((2, 2)))
