"""From words to instances: where the text link sees them, clicks there, masks ranked by fit."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from anymask.core.errors import InvalidInputError
from anymask.core.frames import ImageFrame
from anymask.core.prompts import PointLabel, Prompt
from anymask.core.rle import Rle
from anymask.inference.embedding import ImageEmbedding
from anymask.inference.mask_tensors import (
    masks_to_rles,
    stability_scores,
    upscale_logits,
    without_padding,
)
from anymask.inference.predictor import Predictor
from anymask.inference.prompt_tensors import pack_prompts
from anymask.inference.text_regions import (
    distinct_masks,
    image_cells,
    region_means,
    seed_cells,
)

DEFAULT_THRESHOLD = 0.75  # of the default model, on held-out photos (docs/experiments.md, 19)
_HOT = 0.3  # probability of a cell from which it is clicked on
_INSIDE = 0.8  # share of a mask that must lie in the box it is asked for in


@dataclass(frozen=True, kw_only=True, eq=False)
class TextInstance:
    """One mask found by words.

    Attributes:
        text: the words as asked.
        segmentation: the mask, run-length encoded, in pixels of the original image.
        score: in [0, 1], how well mask and words fit in all; instances are ranked by it.
        text_score: in [0, 1], probability that the words fit what the mask covers.
        iou_prediction: in [0, 1], the model's estimate of the mask's IoU.
        stability_score: in [0, 1], IoU of the mask with itself at another threshold (App. B).
        low_res_logits: (1, h, w) float32, fit to be a prompt's `mask_input`.
    """

    text: str
    segmentation: Rle
    score: float
    text_score: float
    iou_prediction: float
    stability_score: float
    low_res_logits: NDArray[np.float32]


class TextSearch:
    """Finds the instances of a phrase; deterministic, and it holds no image.

    Where the text link sees the phrase it is clicked, the decoder answers each click and the words
    with three masks, and these are ranked by how well words and mask fit (the paper's text prompt,
    App. D.5, gives one mask of the whole image instead).

    Args:
        predictor: of a model with a text link, and with a text encoder.
        threshold: instances of a lower score are dropped; 0 keeps all.
        max_instances: the best of a text are kept; None keeps all.
        max_seeds: clicks tried for a text at most; time grows with them.
        nms_thresh: of masks that overlap more (IoU) the better one stays.
        points_per_batch: clicks decoded together; bounds the memory, does not change the masks.

    Raises:
        InvalidInputError: an option is out of its range, or the model knows no text.
    """

    def __init__(
        self,
        predictor: Predictor,
        *,
        threshold: float = DEFAULT_THRESHOLD,
        max_instances: int | None = None,
        max_seeds: int = 64,
        nms_thresh: float = 0.5,
        points_per_batch: int = 64,
    ) -> None:
        for name, share in (("threshold", threshold), ("nms_thresh", nms_thresh)):
            if not 0 <= share <= 1:
                raise InvalidInputError(
                    f"{name} must be between 0 and 1, got {share:g}. Correct the option."
                )
        for name, count in (
            ("max_instances", max_instances),
            ("max_seeds", max_seeds),
            ("points_per_batch", points_per_batch),
        ):
            if count is not None and count < 1:
                raise InvalidInputError(
                    f"{name} must be at least 1, got {count}. Correct the option."
                )
        if predictor.model.text_link is None:
            raise InvalidInputError(
                f"text search needs a model with a text link, got {predictor.model_id} without. "
                "Use the default model, or points and boxes."
            )
        self.predictor = predictor
        self.threshold = threshold
        self.max_instances = max_instances
        self.max_seeds = max_seeds
        self.nms_thresh = nms_thresh
        self.points_per_batch = points_per_batch

    def find(
        self, embedding: ImageEmbedding, text: str, prompt: Prompt | None = None
    ) -> tuple[TextInstance, ...]:
        """Return the instances of the text in an embedded image, best first; there may be none.

        With a `prompt` of points, a box or an earlier mask it is asked about that one object: among
        the masks that agree with the prompt (all foreground points inside, all background points
        outside, most of the mask in the box) the best fit to the words is returned, or nothing
        where no mask agrees and reaches the threshold.

        Raises:
            InvalidInputError: the text is empty or too long, the prompt lies outside the image, or
                the embedding is another model's.
            MissingExtraError: the packages for text are not installed.
        """
        asked = Prompt(text=text) if prompt is None else replace(prompt, text=text)
        self.predictor.check(embedding, [asked])
        heat = self._heat(embedding, asked.text)
        if prompt is None:
            seeds = self._seeds(heat, embedding.frame)
            prompts = [Prompt(point_coords=seed[None], text=asked.text) for seed in seeds]
            found = self._decode(embedding, prompts, heat)
        else:
            # The words also speak for the masks that the prompt would have given without them.
            found = self._decode(embedding, [asked, replace(asked, text=None)], heat)
            found = found.select(_agreeing(found.masks, asked, embedding.frame))
        kept = distinct_masks(found.masks, found.scores, self.nms_thresh)
        kept = kept[found.scores[kept] >= self.threshold]
        limit = self.max_instances if prompt is None else 1
        return self._instances(found.select(kept[:limit]), asked.text, embedding.frame)

    def heat_map(self, embedding: ImageEmbedding, text: str) -> NDArray[np.float32]:
        """Return (H, W) float32, the probability that the text fits each place of the image.

        Raises:
            InvalidInputError, MissingExtraError: as `find`.
        """
        asked = Prompt(text=text)
        self.predictor.check(embedding, [asked])
        full = upscale_logits(self._heat(embedding, asked.text), embedding.frame)
        heat: NDArray[np.float32] = full.cpu().numpy()
        return heat

    @torch.inference_mode()
    def _heat(self, embedding: ImageEmbedding, text: str) -> Tensor:
        """(h, w) probability that the text fits each cell, also of those beside the image."""
        link = self.predictor.model.text_link
        assert link is not None, "checked when made"
        words = link.words(self.predictor.embed_texts([text]))
        return link.logits(link.cells(embedding.features.image_embeddings), words)[0, 0].sigmoid()

    def _seeds(self, heat: Tensor, frame: ImageFrame) -> NDArray[np.float32]:
        """(K, 2) xy pixels of the original image, in the middle of the cells to click on."""
        grid_size = heat.shape[-1]
        rows, columns = image_cells(frame, grid_size)
        cells = seed_cells(heat[:rows, :columns], _HOT, self.max_seeds)
        centres = (cells.flip(1).cpu().numpy() + 0.5) * (frame.image_size / grid_size)
        height, width = frame.original_size
        points: NDArray[np.float32] = frame.points_to_original(centres)
        return points.clip(0, np.array([width - 1, height - 1], dtype=np.float32))

    @torch.inference_mode()
    def _decode(
        self, embedding: ImageEmbedding, prompts: list[Prompt], heat: Tensor
    ) -> "_Candidates":
        """The three masks of each prompt, without those that are empty."""
        config, frame = self.predictor.model.config, embedding.frame
        parts = []
        for start in range(0, len(prompts), self.points_per_batch):
            packed = pack_prompts(
                prompts[start : start + self.points_per_batch],
                frame,
                config.mask_size,
                self.predictor.device,
                self.predictor.embed_texts,
            )
            decoded = self.predictor.decode(embedding, packed, multimask_output=True)
            logits = decoded.low_res_logits.float().flatten(0, 1)  # K 4h 4w
            shown = torch.zeros_like(logits, dtype=torch.bool)
            without_padding(shown, frame)[:] = True
            masks = (logits > config.mask_threshold) & shown
            part = _Candidates(
                logits=logits,
                masks=masks,
                text_scores=region_means(heat, masks),
                iou_predictions=decoded.iou_predictions.float().clamp(0, 1).flatten(),
                stability_scores=stability_scores(
                    without_padding(logits, frame),
                    config.mask_threshold,
                    config.stability_score_offset,
                ),
            )
            parts.append(part.select(masks.flatten(1).any(1)))
        return _concatenate(parts)

    def _instances(
        self, found: "_Candidates", text: str, frame: ImageFrame
    ) -> tuple[TextInstance, ...]:
        threshold = self.predictor.model.config.mask_threshold
        instances = []
        scores = found.scores.tolist()
        for i, logits in enumerate(found.logits):
            (rle,) = masks_to_rles(upscale_logits(logits, frame)[None] > threshold)
            if rle.area == 0:  # thinner than a pixel at the image's own size
                continue
            instances.append(
                TextInstance(
                    text=text,
                    segmentation=rle,
                    score=scores[i],
                    text_score=float(found.text_scores[i]),
                    iou_prediction=float(found.iou_predictions[i]),
                    stability_score=float(found.stability_scores[i]),
                    low_res_logits=logits[None].cpu().numpy(),
                )
            )
        return tuple(instances)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Candidates:
    """K masks on the decoder's grid: logits and bool (K, 4h, 4w), numbers (K,) in [0, 1]."""

    logits: Tensor
    masks: Tensor
    text_scores: Tensor
    iou_predictions: Tensor
    stability_scores: Tensor

    @property
    def scores(self) -> Tensor:
        """(K,) the geometric mean of how well the words fit and how good the mask is."""
        quality = (self.iou_predictions * self.stability_scores).sqrt()
        return (self.text_scores * quality).sqrt()

    def select(self, index: Tensor) -> "_Candidates":
        return _Candidates(**{name: value[index] for name, value in vars(self).items()})


def _concatenate(parts: list[_Candidates]) -> _Candidates:
    return _Candidates(
        **{name: torch.cat([vars(part)[name] for part in parts]) for name in vars(parts[0])}
    )


def _agreeing(masks: Tensor, prompt: Prompt, frame: ImageFrame) -> Tensor:
    """(K,) bool, which masks (K, 4h, 4w) contain the prompt's points and lie in its box."""
    side = masks.shape[-1]
    scale = side / frame.image_size
    agrees = torch.ones(len(masks), dtype=torch.bool, device=masks.device)
    if prompt.point_coords is not None:
        cells = (frame.points_to_model(prompt.point_coords) * scale).astype(np.int64)
        cells = cells.clip(0, side - 1)
        for (x, y), label in zip(cells.tolist(), prompt.point_labels.tolist(), strict=True):
            agrees &= masks[:, y, x] == (label == PointLabel.FOREGROUND)
    if prompt.box is not None:
        x0, y0, x1, y1 = frame.boxes_to_model(prompt.box) * scale
        places = torch.arange(side, device=masks.device) + 0.5
        rows, columns = (places > y0) & (places < y1), (places > x0) & (places < x1)
        inside = (masks & rows[:, None] & columns).flatten(1).sum(1)
        agrees &= inside > _INSIDE * masks.flatten(1).sum(1)
    return agrees
