import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from anymask.core.geometry import mask_iou
from anymask.core.rle import Rle
from anymask.engine.store.agreement import match_masks


def rectangle(x0: int, x1: int) -> Rle:
    mask = np.zeros((6, 20), dtype=bool)
    mask[1:5, x0:x1] = True
    return Rle.from_mask(mask)


def test_each_mask_has_one_partner_at_most() -> None:
    first = [rectangle(0, 10), rectangle(12, 16)]
    second = [rectangle(12, 16), rectangle(0, 8), rectangle(0, 10), rectangle(18, 20)]
    assert match_masks(first, second) == [(0, 2, 1.0), (1, 0, 1.0)]


def test_the_best_pairing_in_all_is_taken() -> None:
    # Greedy by IoU would pair (0, 1) and leave both others alone.
    first, second = [rectangle(0, 10), rectangle(2, 12)], [rectangle(0, 8), rectangle(1, 11)]
    assert [(i, j) for i, j, _ in match_masks(first, second)] == [(0, 0), (1, 1)]


def test_masks_that_hardly_meet_do_not_match() -> None:
    assert match_masks([rectangle(0, 10)], [rectangle(6, 16)]) == []
    assert match_masks([], [rectangle(0, 4)]) == []


_MASK = arrays(bool, (5, 4)).filter(np.any)


@given(first=_MASK, second=_MASK)
def test_runs_give_the_iou_of_pixels(first: np.ndarray, second: np.ndarray) -> None:
    matches = match_masks([Rle.from_mask(first)], [Rle.from_mask(second)])
    iou = mask_iou(first, second)
    assert [match[2] for match in matches] == ([pytest.approx(iou)] if iou >= 0.5 else [])


@given(data=st.data())
def test_it_does_not_matter_who_was_first(data: st.DataObject) -> None:
    sets = [
        [Rle.from_mask(mask) for mask in data.draw(st.lists(_MASK, max_size=3))] for _ in range(2)
    ]
    there, back = match_masks(*sets), match_masks(*reversed(sets))
    assert sum(iou for *_, iou in there) == pytest.approx(sum(iou for *_, iou in back))
