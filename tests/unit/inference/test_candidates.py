import numpy as np

from anymask.core.rle import Rle
from anymask.inference.candidates import (
    MaskCandidates,
    best_of_crop,
    boxes_of,
    cleaned,
    concatenate,
    distinct_from,
    near_crop_edge,
)


def candidates(masks, ious=None, crop_box=(0, 0, 30, 20)) -> MaskCandidates:
    """Return candidates of these masks; each one's click is its index."""
    rles = tuple(Rle.from_mask(mask) for mask in masks)
    K = len(rles)
    return MaskCandidates(
        masks=rles,
        boxes=boxes_of(rles),
        iou_predictions=np.array(ious if ious is not None else [0.9] * K, dtype=np.float32),
        stability_scores=np.ones(K, dtype=np.float32),
        point_coords=np.arange(2.0 * K).reshape(-1, 2),
        crop_boxes=np.tile(crop_box, (K, 1)).astype(np.int64),
    )


def rectangle(x0, y0, x1, y1, size=(20, 30)) -> np.ndarray:
    mask = np.zeros(size, dtype=bool)
    mask[y0:y1, x0:x1] = True
    return mask


def test_nothing_goes_through_all_steps():
    nothing = concatenate([])
    assert len(nothing) == 0
    assert len(best_of_crop(nothing, 0.7)) == 0
    assert len(distinct_from(nothing.boxes, nothing, 0.7)) == 0
    assert len(cleaned(nothing, 10, 0.7)) == 0
    assert near_crop_edge(nothing.boxes, (0, 0, 5, 5), (20, 30)).shape == (0,)


def test_better_of_two_alike_masks_stays():
    masks = [rectangle(0, 0, 10, 10), rectangle(0, 0, 10, 9), rectangle(20, 10, 25, 15)]
    kept = best_of_crop(candidates(masks, [0.8, 0.9, 0.85]), 0.7)
    assert kept.iou_predictions.tolist() == np.float32([0.9, 0.85]).tolist()
    assert kept.point_coords.tolist() == [[2, 3], [4, 5]]


def test_masks_that_repeat_earlier_ones_go_and_the_order_stays():
    masks = [rectangle(0, 0, 10, 10), rectangle(20, 10, 25, 15), rectangle(20, 10, 25, 16)]
    earlier = np.array([[0, 0, 10, 9]], dtype=np.float32)
    kept = distinct_from(earlier, candidates(masks, [0.5, 0.6, 0.9]), 0.7)
    assert kept.point_coords.tolist() == [[2, 3]]


def test_cleaning_fills_holes_and_prefers_masks_that_needed_none():
    holed = rectangle(0, 0, 10, 10)
    holed[4, 4] = False
    alike = rectangle(0, 0, 10, 10)
    speckled = rectangle(20, 10, 28, 18)
    speckled[0, 29] = True
    kept = cleaned(candidates([holed, alike, speckled]), 5, 0.7)
    assert [rle.area for rle in kept.masks] == [100, 64]
    assert kept.boxes.tolist() == [[0, 0, 10, 10], [20, 10, 28, 18]]
    assert kept.point_coords[0].tolist() == [2, 3]


def test_only_edges_that_cut_through_the_image_count():
    crop_box, size = (0, 0, 100, 80), (200, 300)
    boxes = np.array([[0, 0, 50, 40], [30, 30, 95, 50], [0, 30, 70, 61]], dtype=np.float32)
    assert near_crop_edge(boxes, crop_box, size).tolist() == [False, True, True]
    assert not near_crop_edge(boxes, (0, 0, 300, 200), size).any()
