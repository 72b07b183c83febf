"""Masks on their way through "segment everything": what is known of each, and which to keep."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from anymask.core.geometry import non_max_suppression
from anymask.core.regions import remove_small_regions
from anymask.core.rle import Rle
from anymask.inference.point_grid import CropBox

Mask = TypeVar("Mask")


@dataclass(frozen=True, kw_only=True, eq=False)
class MaskCandidates(Generic[Mask]):
    """K masks of one image, in the frame of the image.

    Attributes:
        masks: K masks: run lengths, or what they can be made of (`LogitsWindow`).
        boxes: (K, 4) float32 xyxy half-open.
        iou_predictions: (K,) float32 as the model gave them, not clamped.
        stability_scores: (K,) float32.
        point_coords: (K, 2) float64 xy, the click that each mask answers.
        crop_boxes: (K, 4) int64 xyxy in the image.
    """

    masks: tuple[Mask, ...]
    boxes: NDArray[np.float32]
    iou_predictions: NDArray[np.float32]
    stability_scores: NDArray[np.float32]
    point_coords: NDArray[np.float64]
    crop_boxes: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.masks)

    def select(self, indices: NDArray[np.int64]) -> "MaskCandidates[Mask]":
        """Return the candidates of these indices, in their order."""
        return MaskCandidates(
            masks=tuple(self.masks[i] for i in indices),
            boxes=self.boxes[indices],
            iou_predictions=self.iou_predictions[indices],
            stability_scores=self.stability_scores[indices],
            point_coords=self.point_coords[indices],
            crop_boxes=self.crop_boxes[indices],
        )


def concatenate(parts: Sequence[MaskCandidates[Mask]]) -> MaskCandidates[Mask]:
    """Return all candidates of the parts, in their order; there may be none."""
    return MaskCandidates(
        masks=tuple(mask for part in parts for mask in part.masks),
        boxes=_joined([part.boxes for part in parts], np.float32, 4),
        iou_predictions=_joined([part.iou_predictions for part in parts], np.float32),
        stability_scores=_joined([part.stability_scores for part in parts], np.float32),
        point_coords=_joined([part.point_coords for part in parts], np.float64, 2),
        crop_boxes=_joined([part.crop_boxes for part in parts], np.int64, 4),
    )


def _joined(arrays: Sequence[NDArray[Any]], dtype: type, *columns: int) -> NDArray[Any]:
    return np.concatenate([np.zeros((0, *columns), dtype=dtype), *arrays])


def best_of_crop(candidates: MaskCandidates[Mask], iou_thresh: float) -> MaskCandidates[Mask]:
    """Return the candidates whose box overlaps no better one, highest predicted IoU first."""
    return candidates.select(
        non_max_suppression(candidates.boxes, candidates.iou_predictions, iou_thresh)
    )


def distinct_from(
    boxes: NDArray[np.float32], candidates: MaskCandidates[Mask], iou_thresh: float
) -> MaskCandidates[Mask]:
    """Return the candidates whose box overlaps none of `boxes` (Q, 4) nor an earlier candidate."""
    together = np.concatenate([boxes, candidates.boxes])
    kept = non_max_suppression(together, -np.arange(len(together)), iou_thresh)
    return candidates.select(kept[kept >= len(boxes)] - len(boxes))


def cleaned(
    candidates: MaskCandidates[Rle], min_area: float, iou_thresh: float
) -> MaskCandidates[Rle]:
    """Return the candidates without holes and islands below `min_area` pixels.

    Masks that so became duplicates go. Those that needed no cleaning are preferred and come first;
    among equals the order, best first, decides.
    """
    masks = tuple(
        remove_small_regions(remove_small_regions(rle, min_area, "holes"), min_area, "islands")
        for rle in candidates.masks
    )
    is_unchanged = [
        float(after is before) for after, before in zip(masks, candidates.masks, strict=True)
    ]
    clean = replace(candidates, masks=masks, boxes=boxes_of(masks))
    return clean.select(non_max_suppression(clean.boxes, is_unchanged, iou_thresh))


def boxes_of(rles: Sequence[Rle]) -> NDArray[np.float32]:
    """Return the boxes (K, 4) float32 xyxy of K masks."""
    return np.array([rle.to_box() for rle in rles], dtype=np.float32).reshape(-1, 4)


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
