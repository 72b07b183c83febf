"""One crop of an image: clicks to the masks that pass the thresholds, and those to full size."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anymask.core.prompts import Prompt
from anymask.core.rle import Rle
from anymask.inference.candidates import MaskCandidates, near_crop_edge
from anymask.inference.embedding import ImageEmbedding
from anymask.inference.logits_window import LogitsWindow, windows_of
from anymask.inference.mask_tensors import stability_scores, without_padding
from anymask.inference.mask_upscaling import MaskUpscaler
from anymask.inference.point_grid import CropBox
from anymask.inference.predictor import Predictor
from anymask.inference.prompt_tensors import pack_prompts

# Each cell of an outline falls on either side of a threshold by chance, so that the score of a mask
# of A cells errs as A^(-1/2). Of 1,870 real answers none erred by 1.2 times that.
_STABILITY_MARGIN = 1.5


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
    def answer(self, points: NDArray[np.floating]) -> MaskCandidates[LogitsWindow]:
        """Return the masks of clicks (P, 2), xy in the unit square, that pass the thresholds.

        Each is measured as the full-size mask that it will be. Answers whose own logits are far
        from stable are dropped before, unless the rules ask for `full_size_decisions`.
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
        if not rules.full_size_decisions:
            is_near = self._may_be_stable(logits)
            index, logits = index[is_near], logits[is_near]
        measures = self._upscaler.measures(logits, self._threshold, rules.stability_score_offset)
        # The reference's boxes end with their last pixel; so do overlaps here, or small masks would
        # be decided otherwise. Records get whole boxes.
        boxes = measures.boxes - np.array([0, 0, 1, 1], dtype=np.float32)
        is_good = (
            (measures.stability_scores >= rules.stability_score_thresh)
            & (measures.areas > 0)
            & (measures.areas <= rules.max_mask_area)
            & ~near_crop_edge(boxes, self.crop_box, self._original_size)
        )
        good = np.flatnonzero(is_good)
        kept = torch.from_numpy(good).to(index.device)
        corner = np.array(self.crop_box[:2])
        return MaskCandidates(
            masks=windows_of(logits[kept], self._threshold),
            boxes=boxes[good] + np.tile(corner, 2).astype(np.float32),
            iou_predictions=ious[index[kept]].cpu().numpy(),
            stability_scores=measures.stability_scores[good],
            point_coords=points[(index[kept] // num_masks).cpu().numpy()] + corner,
            crop_boxes=np.tile(np.array(self.crop_box, dtype=np.int64), (len(good), 1)),
        )

    def to_unit(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return points (K, 2) xy in the image as xy in the unit square of the crop."""
        x0, y0, x1, y1 = self.crop_box
        unit: NDArray[np.float64] = (points - np.array([x0, y0])) / np.array([x1 - x0, y1 - y0])
        return unit

    @torch.inference_mode()
    def full_size(self, mask: LogitsWindow) -> Rle:
        """Return a mask of `answer` in the frame of the image."""
        logits = mask.restored(self._mask_size, background=self._threshold - 1.0)
        (rle,) = self._upscaler.rles(logits[None], self._threshold)
        return rle.placed(self._original_size, *self.crop_box[:2])

    def _may_be_stable(self, logits: Tensor) -> Tensor:
        """Return (K,) bool: whether logits (K, h, w), counted in cells, are near enough stable."""
        inside, rules = without_padding(logits, self._embedding.frame), self._rules
        offset = rules.stability_score_offset
        scores = stability_scores(inside, self._threshold, offset)
        num_cells = torch.count_nonzero(inside > self._threshold - offset, dim=(1, 2))
        margins = _STABILITY_MARGIN * num_cells.clamp(min=1).rsqrt()
        return scores + margins >= rules.stability_score_thresh
