"""One crop of an image: clicks to the masks that pass the thresholds, and those to full size."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anymask.core.prompts import Prompt
from anymask.core.rle import Rle
from anymask.inference.candidates import MaskCandidates, boxes_of, near_crop_edge
from anymask.inference.embedding import ImageEmbedding
from anymask.inference.logits_window import LogitsWindow, windows_of
from anymask.inference.mask_tensors import logits_to_boxes, stability_scores, without_padding
from anymask.inference.mask_upscaling import MaskUpscaler
from anymask.inference.point_grid import CropBox
from anymask.inference.predictor import Predictor
from anymask.inference.prompt_tensors import pack_prompts

FoundMask = LogitsWindow | Rle


@dataclass(frozen=True, kw_only=True)
class MaskRules:
    """Which answers count; the meaning of each field is `MaskGenerator`'s."""

    pred_iou_thresh: float
    stability_score_thresh: float
    stability_score_offset: float
    max_mask_area: float
    full_size_decisions: bool


class CropSearch:
    """Answers clicks in one crop; it keeps none of the answers.

    Args:
        predictor: the model.
        embedding: of the crop.
        crop_box: xyxy in the image.
        original_size: (H, W) of the image.
        rules: which masks count; `max_mask_area` in pixels of the image.
    """

    def __init__(
        self,
        predictor: Predictor,
        embedding: ImageEmbedding,
        crop_box: CropBox,
        original_size: tuple[int, int],
        rules: MaskRules,
    ) -> None:
        config = predictor.model.config
        self.crop_box = crop_box
        self._predictor = predictor
        self._embedding = embedding
        self._original_size = original_size
        self._rules = rules
        self._threshold = config.mask_threshold
        self._mask_size = config.mask_size
        self._upscaler = MaskUpscaler(embedding.frame, config.mask_size, predictor.device)

    @torch.inference_mode()
    def answer(self, points: NDArray[np.floating]) -> MaskCandidates[FoundMask]:
        """Return the masks of clicks (P, 2), xy in the unit square, that pass the thresholds.

        Decided on the decoder's own logits, or on full-size ones where the rules say so.
        """
        frame, rules = self._embedding.frame, self._rules
        height, width = frame.original_size
        points = points * np.array([width, height])
        prompts = [Prompt(point_coords=point[None]) for point in points]
        packed = pack_prompts(prompts, frame, self._mask_size, self._predictor.device)
        decoded = self._predictor.decode(self._embedding, packed, multimask_output=True)
        num_masks = decoded.iou_predictions.shape[1]
        ious = decoded.iou_predictions.float().flatten()
        # A threshold of 0 keeps all, also of heads that are linear and go below it.
        is_sure = ious > (rules.pred_iou_thresh if rules.pred_iou_thresh > 0 else -math.inf)
        index = is_sure.nonzero().flatten()
        logits = decoded.low_res_logits.flatten(0, 1)[index].float()
        judge = self._at_full_size if rules.full_size_decisions else self._at_low_resolution
        masks, boxes, areas, stability = judge(logits)
        corner = np.array(self.crop_box[:2])
        found = MaskCandidates[FoundMask](
            masks=masks,
            boxes=boxes + np.tile(corner, 2).astype(np.float32),
            iou_predictions=ious[index].cpu().numpy(),
            stability_scores=stability,
            point_coords=points[(index // num_masks).cpu().numpy()] + corner,
            crop_boxes=np.tile(np.array(self.crop_box, dtype=np.int64), (len(masks), 1)),
        )
        is_good = (
            (stability >= rules.stability_score_thresh)
            & (areas > 0)
            & (areas <= rules.max_mask_area)
            & ~near_crop_edge(boxes, self.crop_box, self._original_size)
        )
        return found.select(np.flatnonzero(is_good))

    def to_unit(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return points (K, 2) xy in the image as xy in the unit square of the crop."""
        x0, y0, x1, y1 = self.crop_box
        unit: NDArray[np.float64] = (points - np.array([x0, y0])) / np.array([x1 - x0, y1 - y0])
        return unit

    @torch.inference_mode()
    def full_size(self, mask: FoundMask) -> Rle:
        """Return a mask of `answer` in the frame of the image."""
        if isinstance(mask, LogitsWindow):
            (mask,) = self._upscaler.rles(mask.restored(self._mask_size)[None], 0.0)
        return mask.placed(self._original_size, *self.crop_box[:2])

    def _at_low_resolution(
        self, logits: Tensor
    ) -> tuple[
        tuple[FoundMask, ...], NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]
    ]:
        """Masks, boxes (K, 4), areas (K,) and stability (K,) of logits (K, h, w)."""
        frame = self._embedding.frame
        inside = without_padding(logits, frame)
        boxes = logits_to_boxes(inside, frame, self._threshold)
        height, width = frame.original_size
        cell_area = height * width / inside.shape[-2:].numel()
        areas = (inside > self._threshold).flatten(1).sum(1) * cell_area
        stability = stability_scores(inside, self._threshold, self._rules.stability_score_offset)
        windows = windows_of(logits, self._threshold)
        return windows, boxes.cpu().numpy(), areas.cpu().numpy(), stability.cpu().numpy()

    def _at_full_size(
        self, logits: Tensor
    ) -> tuple[
        tuple[FoundMask, ...], NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]
    ]:
        """The same of the masks as they will be, pixel for pixel."""
        rles, stability = self._upscaler.stable_rles(
            logits, self._threshold, self._rules.stability_score_offset
        )
        areas = np.array([rle.area for rle in rles], dtype=np.float32)
        # The reference's boxes end with their last pixel; so do overlaps here, or small masks would
        # be decided otherwise. Records get whole boxes.
        boxes = boxes_of(rles) - np.array([0, 0, 1, 1], dtype=np.float32)
        return tuple(rles), boxes, areas, stability.cpu().numpy()
