import numpy as np

from anymask.core.palette import PALETTE
from anymask.inference.overlay_labels import draw_labels

GREY = np.full((120, 200, 3), 99, dtype=np.uint8)


def square(x: int, y: int, side: int = 20) -> np.ndarray:
    mask = np.zeros(GREY.shape[:2], dtype=bool)
    mask[y : y + side, x : x + side] = True
    return mask


def changed_box(before: np.ndarray, after: np.ndarray) -> tuple[int, int, int, int]:
    rows, columns = np.nonzero((before != after).any(axis=2))
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


def test_label_stands_on_its_mask_in_its_color():
    drawn = draw_labels(GREY, [square(50, 60)], ["cat 0.91"])
    x0, y0, x1, y1 = changed_box(GREY, drawn)
    assert x0 == 50
    assert 57 <= y1 <= 62
    assert (drawn[y0 + 1, x0 + 1] == PALETTE[0]).all()
    assert x1 - x0 > 20
    assert (GREY == 99).all()


def test_labels_stay_inside_the_image():
    for x, y in ((0, 0), (190, 0), (190, 110), (0, 110)):
        drawn = draw_labels(GREY, [square(x, y)], ["a long label 0.91"])
        assert drawn.shape == GREY.shape
        x0, y0, x1, y1 = changed_box(GREY, drawn)
        assert x1 - x0 > 50
        assert y1 - y0 > 8


def test_second_label_at_one_place_moves_aside():
    one = draw_labels(GREY, [square(50, 60)], ["cat"])
    both = draw_labels(GREY, [square(50, 60)] * 2, ["cat", "cat"])
    x0, y0, x1, y1 = changed_box(GREY, one)
    assert (both[y0:y1, x0:x1] == one[y0:y1, x0:x1]).all()
    assert changed_box(one, both)[1] >= y1


def test_no_masks_leave_the_picture():
    assert (draw_labels(GREY, [], []) == GREY).all()
