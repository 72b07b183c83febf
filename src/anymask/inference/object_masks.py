"""Masks of the objects in a photo without a prompt from anybody, each with how sure it is of it.

Two ways to find them: a detector's boxes, which the model turns into masks (Sec. 4, stage 2), or
the model's own masks of the whole photo, of which a scorer knows the objects.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from anymask.core.errors import InvalidInputError
from anymask.core.frames import PIXEL_CENTER_OFFSET
from anymask.core.geometry import box_iou, non_max_suppression
from anymask.core.prompts import Prompt
from anymask.core.records import MaskRecord
from anymask.core.rle import Rle
from anymask.inference.embedding import ImageEmbedding, MaskPrediction
from anymask.inference.generator import MaskGenerator
from anymask.inference.mask_descriptions import describe_masks
from anymask.inference.mask_tensors import stability_scores, without_padding
from anymask.inference.predictor import ImageLike, Predictor
from anymask.model.object_detector import ObjectDetector
from anymask.model.object_scorer import ObjectScorer

DUPLICATE_IOU = 0.5
"""Of two masks whose boxes overlap more, the surer one stays: people give an object one mask."""

_MIN_SIDE_PX = 2.0


@dataclass(frozen=True, kw_only=True, eq=False)
class FoundMask:
    """A mask that nobody asked for.

    Attributes:
        segmentation: of the image's size, with pixels.
        box: (4,) float32 xyxy of what was asked with: the detector's box, or the mask's own.
        score: the detector's, in [0, 1]; 1 without a detector.
        predicted_iou: the model's estimate, in [0, 1].
        stability_score: see `stability_scores`.
        confidence: all that is known of it in one number in [0, 1], to rank by.
    """

    segmentation: Rle
    box: NDArray[np.float32]
    score: float
    predicted_iou: float
    stability_score: float
    confidence: float


class ObjectFinder(Protocol):
    """Finds masks in a photo."""

    @property
    def name(self) -> str:
        """What the masks' provenance calls it."""
        ...

    @property
    def model_id(self) -> str:
        """Of the model that draws the masks."""
        ...

    def find(self, image: ImageLike, min_confidence: float = 0.0) -> list[FoundMask]:
        """Return the masks of an image that are at least that sure, the surest first."""
        ...


class DetectorFinder:
    """Asks a model with the boxes of a detector.

    Args:
        predictor: the model whose features the detector reads.
        detector: it is moved to the model's device.
        detector_model_id: the model that it was trained on.

    Raises:
        InvalidInputError: that is another model.
    """

    name = "detector"

    def __init__(
        self, predictor: Predictor, detector: ObjectDetector, detector_model_id: str
    ) -> None:
        _check_same("detector", predictor, detector_model_id)
        self._predictor = predictor
        self._detector = detector.to(predictor.device).eval()
        self._offset = predictor.model.config.stability_score_offset

    @property
    def model_id(self) -> str:
        """Of the model."""
        return self._predictor.model_id

    def detect(self, embedding: ImageEmbedding) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return boxes (N, 4) xyxy in pixels of the image and scores (N,), the best first."""
        frame = embedding.frame
        with torch.no_grad():
            found = self._detector(embedding.features)
        square = found.boxes[0].cpu().numpy() * frame.image_size
        # The detector's boxes end at pixels' edges; the model frame's begin half a pixel later.
        boxes = frame.boxes_to_original(square + PIXEL_CENTER_OFFSET)
        height, width = frame.original_size
        boxes = np.clip(boxes, 0, np.array([width, height, width, height], dtype=np.float32))
        scores = found.scores[0].cpu().numpy()
        kept = non_max_suppression(boxes, scores, DUPLICATE_IOU)
        is_real = (boxes[kept, 2:] - boxes[kept, :2]).min(axis=1) >= _MIN_SIDE_PX
        kept = kept[is_real]
        return boxes[kept], scores[kept]

    def find(self, image: ImageLike, min_confidence: float = 0.0) -> list[FoundMask]:
        """See `ObjectFinder`."""
        embedding = self._predictor.embed(image)
        boxes, scores = self.detect(embedding)
        likely = scores >= min_confidence  # a product of numbers in [0, 1] is no higher
        boxes, scores = boxes[likely], scores[likely]
        prompts = [Prompt(box=box) for box in boxes]
        answers = self._predictor.predict(embedding, prompts, multimask_output=False)
        masks = [
            self._mask(answer, box, float(score), min_confidence)
            for answer, box, score in zip(answers, boxes, scores, strict=True)
        ]
        return distinct([mask for mask in masks if mask is not None])

    def _mask(
        self, answer: MaskPrediction, box: NDArray[np.float32], score: float, at_least: float
    ) -> FoundMask | None:
        """The mask of a box; None if it is too unsure, or empty."""
        logits = without_padding(torch.from_numpy(answer.low_res_logits), answer.frame)
        stability = float(stability_scores(logits, answer.mask_threshold, self._offset)[0])
        quality = float(answer.iou_predictions[0])
        confidence = score * quality * stability
        segmentation = Rle.from_mask(answer.masks[0]) if confidence >= at_least else None
        if segmentation is None or not segmentation.area:
            return None
        return FoundMask(
            segmentation=segmentation,
            box=box,
            score=score,
            predicted_iou=quality,
            stability_score=stability,
            confidence=confidence,
        )


class ProposalFinder:
    """Takes the masks of "segment everything", each judged by a scorer that has learned to.

    Args:
        predictor: the model.
        scorer: of its masks; None for one that finds all of them alike.
        scorer_model_id: the model that the scorer was trained on.
        points_per_side: of the grid of clicks, of which a third is asked.

    Raises:
        InvalidInputError: that is another model.
    """

    name = "proposals"

    def __init__(
        self,
        predictor: Predictor,
        scorer: ObjectScorer | None = None,
        scorer_model_id: str | None = None,
        points_per_side: int = 24,
    ) -> None:
        if scorer is not None:
            _check_same("scorer", predictor, scorer_model_id)
        self._predictor = predictor
        self._scorer = scorer
        # Nothing is dropped here: the scorer sees how good a mask may be.
        self._generator = MaskGenerator(
            predictor,
            points_per_side,
            pred_iou_thresh=0.0,
            stability_score_thresh=0.0,
            adaptive_grid=True,
        )

    @property
    def model_id(self) -> str:
        """Of the model."""
        return self._predictor.model_id

    def propose(self, image: ImageLike) -> tuple[list[MaskRecord], torch.Tensor]:
        """Return K masks of an image, and (K, F) descriptions of them for a scorer."""
        records = [record for record in self._generator.generate(image) if record.area]
        descriptions = describe_masks(
            self._predictor.embed(image),
            [record.segmentation for record in records],
            [record.predicted_iou for record in records],
            [record.stability_score for record in records],
        )
        return records, descriptions

    def find(self, image: ImageLike, min_confidence: float = 0.0) -> list[FoundMask]:
        """See `ObjectFinder`."""
        records, descriptions = self.propose(image)
        scores = [1.0] * len(records)
        if self._scorer is not None:
            with torch.no_grad():
                scores = self._scorer(descriptions).sigmoid().tolist()
        found = [
            FoundMask(
                segmentation=record.segmentation,
                box=record.segmentation.to_box(),
                score=score,
                predicted_iou=record.predicted_iou,
                stability_score=record.stability_score,
                # A scorer has seen the estimates of quality already.
                confidence=score
                if self._scorer is not None
                else record.predicted_iou * record.stability_score,
            )
            for record, score in zip(records, scores, strict=True)
        ]
        return distinct([mask for mask in found if mask.confidence >= min_confidence])


def distinct(masks: Sequence[FoundMask]) -> list[FoundMask]:
    """Return the masks whose box overlaps no surer one's by `DUPLICATE_IOU`, the surest first."""
    boxes = np.array([mask.segmentation.to_box() for mask in masks]).reshape(-1, 4)
    confidences = [mask.confidence for mask in masks]
    return [masks[i] for i in non_max_suppression(boxes, confidences, DUPLICATE_IOU)]


def lacking_in(
    masks: Sequence[FoundMask], others: Sequence[Rle], max_covered: float = DUPLICATE_IOU
) -> list[FoundMask]:
    """Return the masks whose box overlaps none of the others' by more than that IoU."""
    if not others:
        return list(masks)
    taken = [rle.to_box() for rle in others]
    return [
        mask for mask in masks if box_iou([mask.segmentation.to_box()], taken).max() <= max_covered
    ]


def _check_same(what: str, predictor: Predictor, model_id: str | None) -> None:
    if predictor.model_id != model_id:
        raise InvalidInputError(
            f"{what} must be of model {predictor.model_id}, got one of {model_id}. "
            "Train it again for this model."
        )
