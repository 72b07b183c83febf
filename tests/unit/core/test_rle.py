import dataclasses

import numpy as np
import pytest
from pycocotools import mask as coco

from anymask.core.errors import InvalidInputError
from anymask.core.rle import Rle


def disk(height, width, radius):
    y, x = np.mgrid[:height, :width]
    return (y - height // 2) ** 2 + (x - width // 3) ** 2 < radius**2


MASKS = {
    "empty": np.zeros((4, 5), dtype=bool),
    "full": np.ones((4, 5), dtype=bool),
    "one pixel": np.ones((1, 1), dtype=bool),
    "one background pixel": np.zeros((1, 1), dtype=bool),
    "one row": np.array([[True, False, False, True, True]]),
    "one column": np.array([[False], [True], [False]]),
    "checkerboard": np.indices((7, 9)).sum(axis=0) % 2 == 0,
    "disk": disk(211, 307, 80),
    "noise": np.random.default_rng(0).random((64, 50)) > 0.5,
    "far pixel": np.arange(1500 * 700).reshape(1500, 700) == 1500 * 700 - 1,
}


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS.keys())
@pytest.mark.parametrize("order", ["C", "F"])
def test_runs_are_those_of_pycocotools(mask, order):
    expected = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    rle = Rle.from_mask(np.asarray(mask, order=order))
    assert rle.to_coco() == {
        "size": list(mask.shape),
        "counts": expected["counts"].decode("ascii"),
    }
    assert rle.area == coco.area(expected)
    np.testing.assert_array_equal(rle.to_mask(), mask)
    x0, y0, x1, y1 = rle.to_box()
    np.testing.assert_array_equal([x0, y0, x1 - x0, y1 - y0], coco.toBbox(expected))


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS.keys())
def test_all_coco_forms_are_read_back(mask):
    rle = Rle.from_mask(mask)
    compressed = rle.to_coco()
    assert Rle.from_coco(compressed) == rle
    assert Rle.from_coco({**compressed, "counts": compressed["counts"].encode()}) == rle
    assert Rle.from_coco(rle.to_coco_uncompressed()) == rle


def test_views_and_bytes_are_encoded_too():
    mask = disk(40, 60, 15)
    assert Rle.from_mask(mask[::2, 5:]) == Rle.from_mask(mask[::2, 5:].copy())
    assert Rle.from_mask(mask.astype(np.uint8) * 255) == Rle.from_mask(mask)


def test_first_run_is_background_even_when_empty():
    assert Rle.from_mask(np.ones((2, 3), dtype=bool)).counts.tolist() == [0, 6]
    assert Rle.from_mask(np.zeros((2, 3), dtype=bool)).counts.tolist() == [6]


@pytest.mark.parametrize(
    ("counts", "canonical"),
    [
        ([1, 0, 2, 3], [3, 3]),
        ([0, 2, 0, 4], [0, 6]),
        ([0, 0, 6], [6]),
        ([2, 4, 0], [2, 4]),
        ([0, 0, 0, 6], [0, 6]),
        ([1, 1, 0, 0, 0, 4], [1, 5]),
    ],
)
def test_zero_runs_are_merged(counts, canonical):
    rle = Rle.from_coco({"size": [2, 3], "counts": counts})
    assert rle.counts.tolist() == canonical


def test_value_is_frozen_equal_and_hashable():
    rle, same = Rle.from_mask(MASKS["disk"]), Rle.from_mask(MASKS["disk"])
    assert rle == same
    assert len({rle, same}) == 1
    assert rle != Rle.from_mask(~MASKS["disk"])
    assert rle != "rle"
    with pytest.raises(ValueError, match="read-only"):
        rle.counts[0] = 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        rle.size = (1, 1)


def test_given_counts_are_not_shared():
    counts = np.array([1, 5])
    rle = Rle(size=(2, 3), counts=counts)
    counts[0] = 3
    assert rle.counts.tolist() == [1, 5]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"size": [2, 3]}, 'keys "size" and "counts"'),
        ([[1.0, 2.0]], "Polygons"),
        ({"size": [2, 3], "counts": ""}, "cut off"),
        ({"size": [2, 3], "counts": "o"}, "cut off"),
        ({"size": [2, 3], "counts": "oooooooo0"}, "cut off"),
        ({"size": [2, 3], "counts": "5 1"}, "cut off"),
        ({"size": [2, 3], "counts": "\u00e9"}, "cut off"),
        ({"size": [2, 3], "counts": "O"}, "non-negative"),
        ({"size": [2, 3], "counts": "5"}, "add up to the size's 6 pixels"),
        ({"size": [2, 3], "counts": [2.0, 4.0]}, "whole numbers"),
        ({"size": [2, 3], "counts": [[1], 2]}, "whole numbers"),
        ({"size": [2, 3], "counts": [-1, 7]}, "non-negative"),
        ({"size": [2, 3], "counts": np.array([2**64 - 1, 7], dtype=np.uint64)}, "add up"),
        ({"size": [2, 3], "counts": [2**62] * 4 + [6]}, "add up"),
        ({"size": [2, 3], "counts": []}, "whole numbers"),
        ({"size": [2], "counts": [2]}, "size must be"),
        ({"size": [0, 3], "counts": [0]}, "size must be"),
        ({"size": [2.0, 3], "counts": [6]}, "size must be"),
        ({"size": "23", "counts": [6]}, "size must be"),
        ({"size": [2, 3], "counts": None}, "whole numbers"),
    ],
)
def test_malformed_rle_is_refused(value, message):
    with pytest.raises(InvalidInputError, match=message):
        Rle.from_coco(value)


@pytest.mark.parametrize("mask", [np.zeros((0, 3), bool), np.zeros(3, bool), np.zeros((2, 2))])
def test_only_masks_are_encoded(mask):
    with pytest.raises(InvalidInputError, match="mask must be a bool array"):
        Rle.from_mask(mask)
