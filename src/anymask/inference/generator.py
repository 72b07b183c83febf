"""Segment everything: a grid of clicks, and of their masks the good and distinct ones (App. B)."""

import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anymask.core.errors import InvalidInputError
from anymask.core.geometry import xyxy_to_xywh
from anymask.core.image_io import to_rgb_array
from anymask.core.prompts import Prompt
from anymask.core.records import MaskRecord
from anymask.core.rle import Rle
from anymask.inference.candidates import (
    MaskCandidates,
    best_of_crop,
    best_of_crops,
    cleaned,
    concatenate,
    near_crop_edge,
    uncropped,
)
from anymask.inference.embedding import ImageEmbedding
from anymask.inference.mask_tensors import (
    masks_to_rles,
    stability_scores,
    upscale_logits,
    without_padding,
)
from anymask.inference.point_grid import CropBox, crop_layers, point_grids
from anymask.inference.predictor import ImageLike, Predictor
from anymask.inference.prompt_tensors import pack_prompts


class MaskGenerator:
    """Finds the masks of a whole image; deterministic.

    Args:
        predictor: the model.
        points_per_side: clicks along each side of the image, so this number squared in all.
        points_per_batch: clicks decoded together; bounds the memory, does not change the masks.
        pred_iou_thresh: masks with a predicted IoU up to this are dropped; 0 keeps all; None takes
            what the model's configuration names.
        stability_score_thresh: masks with a lower stability score are dropped; 0 keeps all; None
            takes what the model's configuration names.
        stability_score_offset: in logits, how far the stability score moves the threshold.
        box_nms_thresh: of masks of one crop whose boxes overlap more, the better one stays.
        crop_num_layers: 0 looks at the whole image only, n also at up to 2^n x 2^n crops of it.
        crop_nms_thresh: the same between crops, where the smaller crop's mask stays.
        crop_overlap_ratio: overlap of the crops of layer 1 as a fraction of the short side.
        crop_points_downscale_factor: layer k has fewer clicks a side by this factor to the k.
        min_mask_region_area: in pixels; smaller holes are filled and smaller islands removed.
        max_mask_area_fraction: masks that cover more of the image are dropped as background.
        grids: instead of `points_per_side`, (N, 2) xy clicks in the unit square for each layer.
        full_size_stability: measure stability on full-size logits as the reference does, not on
            the decoder's own; slower, as every mask is scaled up before it can be dropped.

    Raises:
        InvalidInputError: an option is out of its range.
    """

    def __init__(
        self,
        predictor: Predictor,
        points_per_side: int = 32,
        points_per_batch: int = 64,
        pred_iou_thresh: float | None = None,
        stability_score_thresh: float | None = None,
        stability_score_offset: float = 1.0,
        box_nms_thresh: float = 0.7,
        crop_num_layers: int = 0,
        crop_nms_thresh: float = 0.7,
        crop_overlap_ratio: float = 512 / 1500,
        crop_points_downscale_factor: int = 1,
        min_mask_region_area: float = 0,
        max_mask_area_fraction: float = 0.95,
        *,
        grids: Sequence[NDArray[np.floating]] | None = None,
        full_size_stability: bool = False,
    ) -> None:
        _check_range("points_per_batch", points_per_batch, 1, math.inf)
        _check_range("stability_score_offset", stability_score_offset, 0, math.inf)
        _check_range("box_nms_thresh", box_nms_thresh, 0, 1)
        _check_range("crop_num_layers", crop_num_layers, 0, 8)
        _check_range("crop_nms_thresh", crop_nms_thresh, 0, 1)
        _check_range("crop_overlap_ratio", crop_overlap_ratio, 0, 1)
        _check_range("crop_points_downscale_factor", crop_points_downscale_factor, 1, math.inf)
        _check_range("min_mask_region_area", min_mask_region_area, 0, math.inf)
        _check_range("max_mask_area_fraction", max_mask_area_fraction, 0, 1)
        self.predictor = predictor
        self.points_per_batch = points_per_batch
        config = predictor.model.config
        self.pred_iou_thresh = (
            config.pred_iou_thresh if pred_iou_thresh is None else pred_iou_thresh
        )
        self.stability_score_thresh = (
            config.stability_score_thresh
            if stability_score_thresh is None
            else stability_score_thresh
        )
        self.stability_score_offset = stability_score_offset
        self.box_nms_thresh = box_nms_thresh
        self.crop_num_layers = crop_num_layers
        self.crop_nms_thresh = crop_nms_thresh
        self.crop_overlap_ratio = crop_overlap_ratio
        self.min_mask_region_area = min_mask_region_area
        self.max_mask_area_fraction = max_mask_area_fraction
        self.full_size_stability = full_size_stability
        if grids is None:
            grids = point_grids(points_per_side, crop_num_layers, crop_points_downscale_factor)
        elif len(grids) <= crop_num_layers:
            raise InvalidInputError(
                f"grids must hold one grid per layer, got {len(grids)} for layers 0 to "
                f"{crop_num_layers}. Add grids or lower crop_num_layers."
            )
        self.grids = tuple(grids)

    def generate(self, image: ImageLike) -> list[MaskRecord]:
        """Return the masks of an image (H, W, 3) uint8 RGB or a Pillow image; there may be none.

        In the reference's order: best predicted IoU first; with crops, masks of smaller crops
        before those of larger ones.
        """
        return list(self.iter_masks(image))

    def iter_masks(self, image: ImageLike) -> Iterator[MaskRecord]:
        """Return an iterator over the records of `generate`; their ids count from 1."""
        found = self.find(to_rgb_array(image))
        for i, rle in enumerate(found.rles):
            x, y = found.point_coords[i].tolist()
            yield MaskRecord(
                id=i + 1,
                segmentation=rle,
                area=rle.area,
                bbox=tuple(xyxy_to_xywh(found.boxes[i]).tolist()),
                predicted_iou=float(np.clip(found.iou_predictions[i], 0, 1)),
                stability_score=float(found.stability_scores[i]),
                point_coords=((x, y),),
                crop_box=tuple(xyxy_to_xywh(found.crop_boxes[i]).tolist()),
            )

    def find(self, image: NDArray[np.uint8]) -> MaskCandidates:
        """Return the masks of an image (H, W, 3) as arrays, with the model's own IoU numbers."""
        original_size = (image.shape[0], image.shape[1])
        crops = crop_layers(original_size, self.crop_num_layers, self.crop_overlap_ratio)
        found = concatenate([self._find_in_crop(image, box, layer) for box, layer in crops])
        if len(crops) > 1:
            found = best_of_crops(found, self.crop_nms_thresh)
        if self.min_mask_region_area > 0:
            thresh = max(self.box_nms_thresh, self.crop_nms_thresh)
            found = cleaned(found, self.min_mask_region_area, thresh)
        return found

    def _find_in_crop(
        self, image: NDArray[np.uint8], crop_box: CropBox, layer: int
    ) -> MaskCandidates:
        x0, y0, x1, y1 = crop_box
        original_size = (image.shape[0], image.shape[1])
        embedding = self.predictor.embed(np.ascontiguousarray(image[y0:y1, x0:x1]))
        points = self.grids[layer] * np.array([x1 - x0, y1 - y0])
        max_area = self.max_mask_area_fraction * original_size[0] * original_size[1]
        parts = []
        for start in range(0, len(points), self.points_per_batch):
            part = self._answer(embedding, points[start : start + self.points_per_batch], crop_box)
            areas = np.array([rle.area for rle in part.rles])
            is_edge = near_crop_edge(part.boxes, crop_box, original_size)
            is_good = ~is_edge & (areas > 0) & (areas <= max_area)
            parts.append(part.select(np.flatnonzero(is_good)))
        best = best_of_crop(concatenate(parts), self.box_nms_thresh)
        return uncropped(best, crop_box, original_size)

    @torch.inference_mode()
    def _answer(
        self, embedding: ImageEmbedding, points: NDArray[np.floating], crop_box: CropBox
    ) -> MaskCandidates:
        """Return the masks of a batch of clicks that pass the thresholds."""
        config, frame = self.predictor.model.config, embedding.frame
        prompts = [Prompt(point_coords=point[None]) for point in points]
        packed = pack_prompts(prompts, frame, config.mask_size, self.predictor.device)
        decoded = self.predictor.decode(embedding, packed, multimask_output=True)
        logits = decoded.low_res_logits.float().flatten(0, 1)  # P*M h w
        ious = decoded.iou_predictions.float().flatten()
        clicks = torch.arange(len(logits), device=logits.device) // decoded.iou_predictions.shape[1]

        keep = ious > (self.pred_iou_thresh if self.pred_iou_thresh > 0 else -math.inf)
        if not self.full_size_stability:
            stability = self._stability(without_padding(logits, frame))
            keep &= stability >= self.stability_score_thresh
            stability = stability[keep]
        logits, ious, clicks = logits[keep], ious[keep], clicks[keep]
        rles: list[Rle] = []
        full_size_scores: list[Tensor] = []
        for row in logits:  # one at a time: full-size floats of a batch would fill the memory
            full_size = upscale_logits(row, frame)[None]
            rles += masks_to_rles(full_size > config.mask_threshold)
            if self.full_size_stability:
                full_size_scores.append(self._stability(full_size))
        if self.full_size_stability:
            stability = torch.cat([logits.new_zeros(0), *full_size_scores])
        found = MaskCandidates(
            rles=tuple(rles),
            boxes=np.array([rle.to_box() for rle in rles], dtype=np.float32).reshape(-1, 4),
            iou_predictions=ious.cpu().numpy(),
            stability_scores=stability.cpu().numpy(),
            point_coords=points[clicks.cpu().numpy()].astype(np.float64),
            crop_boxes=np.tile(np.array(crop_box, dtype=np.int64), (len(rles), 1)),
        )
        return found.select(np.flatnonzero(found.stability_scores >= self.stability_score_thresh))

    def _stability(self, logits: Tensor) -> Tensor:
        threshold = self.predictor.model.config.mask_threshold
        return stability_scores(logits, threshold, self.stability_score_offset)


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        wanted = f"between {low:g} and {high:g}" if high < math.inf else f"at least {low:g}"
        raise InvalidInputError(f"{name} must be {wanted}, got {value}. Correct the option.")
