"""Masks on their way through "segment everything": what is known of each, and which to keep."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.core.geometry import box_area, non_max_suppression
from anymask.core.regions import remove_small_regions
from anymask.core.rle import Rle
from anymask.inference.point_grid import CropBox


@dataclass(frozen=True, kw_only=True, eq=False)
class MaskCandidates:
    """K masks of one image, in the frame of the crop or of the image.

    Attributes:
        rles: K masks.
        boxes: (K, 4) float32 xyxy half-open.
        iou_predictions: (K,) float32 as the model gave them, not clamped.
        stability_scores: (K,) float32.
        point_coords: (K, 2) float64 xy, the click that each mask answers.
        crop_boxes: (K, 4) int64 xyxy in the image.
    """

    rles: tuple[Rle, ...]
    boxes: NDArray[np.float32]
    iou_predictions: NDArray[np.float32]
    stability_scores: NDArray[np.float32]
    point_coords: NDArray[np.float64]
    crop_boxes: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.rles)

    def select(self, indices: NDArray[np.int64]) -> "MaskCandidates":
        """Return the candidates of these indices, in their order."""
        return MaskCandidates(
            rles=tuple(self.rles[i] for i in indices),
            boxes=self.boxes[indices],
            iou_predictions=self.iou_predictions[indices],
            stability_scores=self.stability_scores[indices],
            point_coords=self.point_coords[indices],
            crop_boxes=self.crop_boxes[indices],
        )


def concatenate(parts: Sequence[MaskCandidates]) -> MaskCandidates:
    """Return all candidates of the parts, in their order; there may be none."""
    return MaskCandidates(
        rles=tuple(rle for part in parts for rle in part.rles),
        boxes=_joined([part.boxes for part in parts], np.float32, 4),
        iou_predictions=_joined([part.iou_predictions for part in parts], np.float32),
        stability_scores=_joined([part.stability_scores for part in parts], np.float32),
        point_coords=_joined([part.point_coords for part in parts], np.float64, 2),
        crop_boxes=_joined([part.crop_boxes for part in parts], np.int64, 4),
    )


def _joined(arrays: Sequence[NDArray[Any]], dtype: type, *columns: int) -> NDArray[Any]:
    return np.concatenate([np.zeros((0, *columns), dtype=dtype), *arrays])


def best_of_crop(candidates: MaskCandidates, iou_thresh: float) -> MaskCandidates:
    """Return the candidates whose box overlaps no better one, highest predicted IoU first."""
    return candidates.select(
        non_max_suppression(candidates.boxes, candidates.iou_predictions, iou_thresh)
    )


def best_of_crops(candidates: MaskCandidates, iou_thresh: float) -> MaskCandidates:
    """Return the candidates whose box overlaps none of a smaller crop, smaller crops first."""
    scores = 1 / box_area(candidates.crop_boxes)
    return candidates.select(non_max_suppression(candidates.boxes, scores, iou_thresh))


def uncropped(
    candidates: MaskCandidates, crop_box: CropBox, original_size: tuple[int, int]
) -> MaskCandidates:
    """Return candidates of a crop in the frame of the image."""
    x0, y0, x1, y1 = crop_box
    if (y1 - y0, x1 - x0) == original_size:
        return candidates
    return replace(
        candidates,
        rles=tuple(_uncropped_rle(rle, crop_box, original_size) for rle in candidates.rles),
        boxes=candidates.boxes + np.array([x0, y0, x0, y0], dtype=np.float32),
        point_coords=candidates.point_coords + np.array([x0, y0], dtype=np.float64),
    )


def _uncropped_rle(rle: Rle, crop_box: CropBox, original_size: tuple[int, int]) -> Rle:
    x0, y0, x1, y1 = crop_box
    mask = np.zeros(original_size, dtype=np.bool_)
    mask[y0:y1, x0:x1] = rle.to_mask()
    return Rle.from_mask(mask)


def cleaned(candidates: MaskCandidates, min_area: float, iou_thresh: float) -> MaskCandidates:
    """Return the candidates without holes and islands below `min_area` pixels.

    Masks that so became duplicates go; those that needed no cleaning are preferred and come first.
    """
    results = [_cleaned_rle(rle, min_area) for rle in candidates.rles]
    boxes = np.array([rle.to_box() for rle, _ in results], dtype=np.float32).reshape(-1, 4)
    is_unchanged = [float(not changed) for _, changed in results]
    clean = replace(candidates, rles=tuple(rle for rle, _ in results), boxes=boxes)
    return clean.select(non_max_suppression(boxes, is_unchanged, iou_thresh))


def _cleaned_rle(rle: Rle, min_area: float) -> tuple[Rle, bool]:
    filled, holes_changed = remove_small_regions(rle.to_mask(), min_area, "holes")
    mask, islands_changed = remove_small_regions(filled, min_area, "islands")
    if not (holes_changed or islands_changed):
        return rle, False
    return Rle.from_mask(mask), True


def near_crop_edge(
    boxes: NDArray[np.float32],
    crop_box: CropBox,
    original_size: tuple[int, int],
    margin_px: float = 20.0,
) -> NDArray[np.bool_]:
    """Return (K,) bool, the boxes of a crop with a side near an edge that cuts through the image.

    Their object may go on outside the crop. The reference's 20 pixels.

    Args:
        boxes: (K, 4) xyxy in the frame of the crop.
        crop_box: xyxy in the image.
        original_size: (H, W) of the image.
        margin_px: how near counts.
    """
    x0, y0, _, _ = crop_box
    height, width = original_size
    in_image = boxes + np.array([x0, y0, x0, y0], dtype=np.float32)
    near_crop = np.abs(in_image - np.array(crop_box)) <= margin_px
    near_image = np.abs(in_image - np.array([0, 0, width, height])) <= margin_px
    is_near: NDArray[np.bool_] = (near_crop & ~near_image).any(axis=1)
    return is_near
