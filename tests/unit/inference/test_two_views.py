import numpy as np
from numpy.typing import NDArray

from anymask.core.frames import ImageFrame
from anymask.core.geometry import mask_iou
from anymask.inference.close_up_prediction import CloseUpPrediction
from anymask.inference.embedding import MaskPrediction
from anymask.inference.mask_input import mask_to_logits
from anymask.inference.two_views import choose_masks

SIZE = (200, 300)
REGION = (60, 40, 180, 160)
WHOLE = ImageFrame(original_size=SIZE, image_size=384)
PART = ImageFrame(original_size=(120, 120), image_size=384)


def box(x0: int, y0: int, x1: int, y1: int) -> NDArray[np.bool_]:
    mask = np.zeros(SIZE, dtype=np.bool_)
    mask[y0:y1, x0:x1] = True
    return mask


def from_whole(masks: list[NDArray[np.bool_]], ious: list[float]) -> MaskPrediction:
    return MaskPrediction(
        low_res_logits=np.concatenate([mask_to_logits(mask, WHOLE, 96) for mask in masks]),
        iou_predictions=np.array(ious, dtype=np.float32),
        frame=WHOLE,
        mask_threshold=0.0,
    )


def from_close(masks: list[NDArray[np.bool_]], ious: list[float]) -> CloseUpPrediction:
    x0, y0, x1, y1 = REGION
    cut = [np.ascontiguousarray(mask[y0:y1, x0:x1]) for mask in masks]
    part = MaskPrediction(
        low_res_logits=np.concatenate([mask_to_logits(mask, PART, 96) for mask in cut]),
        iou_predictions=np.array(ious, dtype=np.float32),
        frame=PART,
        mask_threshold=0.0,
    )
    return CloseUpPrediction(part=part, region=REGION, frame=WHOLE)


SPECK, PATCH, LARGE = box(116, 96, 124, 104), box(100, 80, 140, 120), box(20, 20, 280, 180)
ROW, COLUMN, HALF = box(70, 95, 170, 105), box(115, 50, 125, 150), box(0, 0, 150, 200)


def test_the_best_three_of_six_stay_best_first():
    found = choose_masks(
        from_whole([LARGE, PATCH, HALF], [0.9, 0.2, 0.1]),
        from_close([SPECK, ROW, COLUMN], [0.5, 0.7, 0.3]),
    )
    np.testing.assert_allclose(found.iou_predictions, [0.9, 0.7, 0.5])
    for mask, expected in zip(found.masks, (LARGE, ROW, SPECK), strict=True):
        assert mask_iou(mask, expected) > 0.85


def test_what_both_views_found_counts_once_and_the_better_stays():
    found = choose_masks(
        from_whole([PATCH, LARGE, HALF], [0.8, 0.3, 0.2]),
        from_close([PATCH, SPECK, ROW], [0.9, 0.5, 0.4]),
    )
    np.testing.assert_allclose(found.iou_predictions, [0.9, 0.5, 0.4])


def test_a_mask_that_the_close_up_cuts_off_is_left_to_the_whole():
    found = choose_masks(
        from_whole([LARGE, PATCH, SPECK], [0.3, 0.2, 0.1]),
        from_close([LARGE, ROW, COLUMN], [0.9, 0.25, 0.15]),
    )
    np.testing.assert_allclose(found.iou_predictions, [0.3, 0.25, 0.2])


def test_a_mask_that_the_close_up_cuts_off_does_not_fill_up_either():
    found = choose_masks(
        from_whole([PATCH, PATCH, PATCH], [0.3, 0.2, 0.1]),
        from_close([LARGE, HALF, LARGE], [0.9, 0.8, 0.7]),
    )
    np.testing.assert_allclose(found.iou_predictions, [0.3, 0.2, 0.1])


def test_three_masks_stay_also_where_few_are_distinct():
    found = choose_masks(
        from_whole([PATCH, PATCH, PATCH], [0.3, 0.2, 0.1]),
        from_close([PATCH, PATCH, PATCH], [0.9, 0.8, 0.7]),
    )
    np.testing.assert_allclose(found.iou_predictions, [0.9, 0.8, 0.7])
    assert found.masks.shape == (3, *SIZE)


def test_empty_masks_are_an_answer_like_any_other():
    empty = np.zeros(SIZE, dtype=np.bool_)
    found = choose_masks(from_whole([empty] * 3, [0.1] * 3), from_close([empty] * 3, [0.2] * 3))
    assert not found.masks.any()
    assert found.low_res_logits.shape == (3, 96, 96)
