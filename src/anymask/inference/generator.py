"""Segment everything: a grid of clicks, and of their masks the good and distinct ones (App. B)."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count

import numpy as np
from numpy.typing import NDArray

from anymask.core.errors import InvalidInputError
from anymask.core.geometry import box_area, xyxy_to_xywh
from anymask.core.image_io import to_rgb_array
from anymask.core.records import MaskRecord
from anymask.core.rle import Rle
from anymask.inference.adaptive_grid import AdaptiveGrid
from anymask.inference.candidates import (
    MaskCandidates,
    best_of_crop,
    boxes_of,
    cleaned,
    concatenate,
    distinct_from,
)
from anymask.inference.crop_search import CropSearch, MaskRules
from anymask.inference.logits_window import LogitsWindow
from anymask.inference.point_grid import CropBox, crop_layers, point_grids
from anymask.inference.predictor import ImageLike, Predictor


@dataclass(frozen=True, kw_only=True)
class MaskUpdate:
    """What "segment everything" can show at one moment.

    Attributes:
        masks: the newly found masks, which later ones may still replace; in the last update all
            masks of the image, as `generate` returns them.
        fraction_done: of the clicks that are answered.
        is_final: this is the last update.
    """

    masks: tuple[MaskRecord, ...]
    fraction_done: float
    is_final: bool


@dataclass(frozen=True, kw_only=True, eq=False)
class _Step:
    """A batch of answered clicks, and the masks that are certain since: those of a whole crop."""

    search: CropSearch
    found: MaskCandidates[LogitsWindow]
    certain: MaskCandidates[LogitsWindow]
    fraction_done: float


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
        stability_score_offset: in logits, how far the stability score moves the threshold; None
            takes what the model's configuration names.
        box_nms_thresh: of masks of one crop whose boxes overlap more, the better one stays.
        crop_num_layers: 0 looks at the whole image only, n also at up to 2^n x 2^n crops of it.
        crop_nms_thresh: the same between crops, where the smaller crop's mask stays.
        crop_overlap_ratio: overlap of the crops of layer 1 as a fraction of the short side.
        crop_points_downscale_factor: layer k has fewer clicks a side by this factor to the k.
        min_mask_region_area: in pixels; smaller holes are filled and smaller islands removed.
        max_mask_area_fraction: masks that cover more of the image are dropped as background.
        min_mask_area: in pixels; smaller masks are dropped at the end. Equal to
            `min_mask_region_area` it is the paper's rule; the reference keeps the largest island.
        adaptive_grid: ask at most a third of the grid, and there more where that finds more.
        grids: instead of `points_per_side`, (N, 2) xy clicks in the unit square for each layer.
        full_size_decisions: measure every mask at full size as the reference does; otherwise those
            go before that whose small logits are far from stable.

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
        stability_score_offset: float | None = None,
        box_nms_thresh: float = 0.7,
        crop_num_layers: int = 0,
        crop_nms_thresh: float = 0.7,
        crop_overlap_ratio: float = 512 / 1500,
        crop_points_downscale_factor: int = 1,
        min_mask_region_area: float = 0,
        max_mask_area_fraction: float = 0.95,
        min_mask_area: float = 0,
        adaptive_grid: bool = False,
        *,
        grids: Sequence[NDArray[np.floating]] | None = None,
        full_size_decisions: bool = False,
    ) -> None:
        _check_range("points_per_batch", points_per_batch, 1, math.inf)
        _check_range("box_nms_thresh", box_nms_thresh, 0, 1)
        _check_range("crop_num_layers", crop_num_layers, 0, 8)
        _check_range("crop_nms_thresh", crop_nms_thresh, 0, 1)
        _check_range("crop_overlap_ratio", crop_overlap_ratio, 0, 1)
        _check_range("crop_points_downscale_factor", crop_points_downscale_factor, 1, math.inf)
        _check_range("min_mask_region_area", min_mask_region_area, 0, math.inf)
        _check_range("max_mask_area_fraction", max_mask_area_fraction, 0, 1)
        _check_range("min_mask_area", min_mask_area, 0, math.inf)
        if grids is None:
            grids = point_grids(points_per_side, crop_num_layers, crop_points_downscale_factor)
        elif len(grids) <= crop_num_layers:
            raise InvalidInputError(
                f"grids must hold one grid per layer, got {len(grids)} for layers 0 to "
                f"{crop_num_layers}. Add grids or lower crop_num_layers."
            )
        elif adaptive_grid:
            raise InvalidInputError(
                "adaptive_grid must be off for given grids, got both. Set points_per_side instead."
            )
        config = predictor.model.config
        if pred_iou_thresh is None:
            pred_iou_thresh = config.pred_iou_thresh
        if stability_score_thresh is None:
            stability_score_thresh = config.stability_score_thresh
        if stability_score_offset is None:
            stability_score_offset = config.stability_score_offset
        _check_range("stability_score_offset", stability_score_offset, 0, math.inf)
        self.predictor = predictor
        self.points_per_batch = points_per_batch
        self.pred_iou_thresh = pred_iou_thresh
        self.stability_score_thresh = stability_score_thresh
        self.stability_score_offset = stability_score_offset
        self.box_nms_thresh = box_nms_thresh
        self.crop_num_layers = crop_num_layers
        self.crop_nms_thresh = crop_nms_thresh
        self.crop_overlap_ratio = crop_overlap_ratio
        self.min_mask_region_area = min_mask_region_area
        self.max_mask_area_fraction = max_mask_area_fraction
        self.min_mask_area = min_mask_area
        self.adaptive_grid = adaptive_grid
        self.full_size_decisions = full_size_decisions
        self.grids = tuple(grids)

    def generate(self, image: ImageLike) -> list[MaskRecord]:
        """Return the masks of an image (H, W, 3) uint8 RGB or a Pillow image; there may be none.

        In the reference's order: best predicted IoU first; with crops, masks of smaller crops
        before those of larger ones.
        """
        return list(self.iter_masks(image))

    def iter_masks(self, image: ImageLike) -> Iterator[MaskRecord]:
        """Return an iterator over `generate`'s records, in order, each as soon as it is certain.

        The masks of a crop are certain when its last click is answered, as smaller crops come
        first and no later mask replaces theirs; each is scaled up when it is asked for. With
        `min_mask_region_area` all come at the end, as a cleaned mask may become a duplicate of any
        other. `stream` shows masks earlier.
        """
        return _records(self._finished(self._certain(to_rgb_array(image))), count(1))

    def stream(self, image: ImageLike) -> Iterator[MaskUpdate]:
        """Yield an update after each batch of clicks, for progress bars and previews.

        Its masks are those whose boxes overlap none shown before by more than `box_nms_thresh`,
        numbered on. The last update has the masks of `generate`, numbered from 1.
        """
        certain: list[MaskCandidates[Rle]] = []
        shown = np.zeros((0, 4), dtype=np.float32)
        numbers = count(1)
        for step in self._steps(to_rgb_array(image)):
            fresh = best_of_crop(step.found, self.box_nms_thresh)
            fresh = distinct_from(shown, fresh, self.box_nms_thresh)
            shown = np.concatenate([shown, fresh.boxes])
            masks = _records(self._scaled_up(step.search, fresh), numbers)
            certain += self._scaled_up(step.search, step.certain)
            yield MaskUpdate(masks=tuple(masks), fraction_done=step.fraction_done, is_final=False)
        records = _records(self._finished(certain), count(1))
        yield MaskUpdate(masks=tuple(records), fraction_done=1.0, is_final=True)

    def find(self, image: NDArray[np.uint8]) -> MaskCandidates[Rle]:
        """Return the masks of an image (H, W, 3) as arrays, with the model's own IoU numbers."""
        return concatenate(list(self._finished(self._certain(image))))

    def _certain(self, image: NDArray[np.uint8]) -> Iterator[MaskCandidates[Rle]]:
        """The masks, one at a time, before they are cleaned."""
        for step in self._steps(image):
            yield from self._scaled_up(step.search, step.certain)

    def _steps(self, image: NDArray[np.uint8]) -> Iterator[_Step]:
        """Ask all clicks of all crops, the smallest crops first (App. B: the most zoomed win)."""
        original_size = (image.shape[0], image.shape[1])
        crops = crop_layers(original_size, self.crop_num_layers, self.crop_overlap_ratio)
        crops.sort(key=lambda crop: float(box_area(crop[0])))  # stable, so layers stay in order
        kept = np.zeros((0, 4), dtype=np.float32)
        num_points = sum(len(self.grids[layer]) for _, layer in crops)
        num_before = 0
        for crop_box, layer in crops:
            search = self._open_crop(image, crop_box)
            parts = []
            for part, num_answered in self._answers(search, layer):
                parts.append(part)
                is_last = num_answered == len(self.grids[layer])
                certain = concatenate(parts if is_last else [])
                if is_last:
                    certain = best_of_crop(certain, self.box_nms_thresh)
                    if len(crops) > 1:
                        certain = distinct_from(kept, certain, self.crop_nms_thresh)
                    kept = np.concatenate([kept, certain.boxes])
                yield _Step(
                    search=search,
                    found=part,
                    certain=certain,
                    fraction_done=(num_before + num_answered) / num_points,
                )
            num_before += len(self.grids[layer])

    def _open_crop(self, image: NDArray[np.uint8], crop_box: CropBox) -> CropSearch:
        x0, y0, x1, y1 = crop_box
        rules = MaskRules(
            pred_iou_thresh=self.pred_iou_thresh,
            stability_score_thresh=self.stability_score_thresh,
            stability_score_offset=self.stability_score_offset,
            max_mask_area=self.max_mask_area_fraction * image.shape[0] * image.shape[1],
            full_size_decisions=self.full_size_decisions,
        )
        embedding = self.predictor.embed(np.ascontiguousarray(image[y0:y1, x0:x1]))
        return CropSearch(
            self.predictor, embedding, crop_box, (image.shape[0], image.shape[1]), rules
        )

    def _answers(
        self, search: CropSearch, layer: int
    ) -> Iterator[tuple[MaskCandidates[LogitsWindow], int]]:
        """Yield the masks of each batch of clicks of a grid, and the clicks done with so far.

        A click that an adaptive grid leaves out is done with at the end.
        """
        grid = self.grids[layer]
        if not self.adaptive_grid:
            for start in range(0, len(grid), self.points_per_batch):
                batch = grid[start : start + self.points_per_batch]
                yield search.answer(batch), start + len(batch)
            return
        adaptive = AdaptiveGrid(math.isqrt(len(grid)))
        parts: list[MaskCandidates[LogitsWindow]] = []
        num_asked = 0
        for chosen in adaptive.rounds():
            for start in range(0, len(chosen), self.points_per_batch):
                indices = chosen[start : start + self.points_per_batch]
                parts.append(search.answer(grid[indices]))
                num_asked += len(indices)
                is_last = num_asked == adaptive.num_points
                yield (
                    parts[-1],
                    len(grid) if is_last else num_asked * len(grid) // adaptive.num_points,
                )
            best = best_of_crop(concatenate(parts), self.box_nms_thresh)
            adaptive.learn(search.to_unit(best.point_coords))

    def _scaled_up(
        self, search: CropSearch, candidates: MaskCandidates[LogitsWindow]
    ) -> Iterator[MaskCandidates[Rle]]:
        """The masks at full size, one at a time."""
        for i in range(len(candidates)):
            one = candidates.select(np.array([i]))
            rle = search.full_size(one.masks[0])
            if rle.area:  # a sliver of the logits may hold no pixel's centre
                yield MaskCandidates(
                    masks=(rle,),
                    boxes=boxes_of([rle]),
                    iou_predictions=one.iou_predictions,
                    stability_scores=one.stability_scores,
                    point_coords=one.point_coords,
                    crop_boxes=one.crop_boxes,
                )

    def _finished(self, parts: Iterable[MaskCandidates[Rle]]) -> Iterator[MaskCandidates[Rle]]:
        if self.min_mask_region_area > 0:
            thresh = max(self.box_nms_thresh, self.crop_nms_thresh)
            parts = [cleaned(concatenate(list(parts)), self.min_mask_region_area, thresh)]
        for part in parts:
            areas = np.array([rle.area for rle in part.masks])
            yield part.select(np.flatnonzero(areas >= self.min_mask_area))


def _records(parts: Iterable[MaskCandidates[Rle]], numbers: Iterator[int]) -> Iterator[MaskRecord]:
    for part in parts:
        for i, rle in enumerate(part.masks):
            x, y = part.point_coords[i].tolist()
            yield MaskRecord(
                id=next(numbers),
                segmentation=rle,
                area=rle.area,
                bbox=tuple(xyxy_to_xywh(part.boxes[i]).tolist()),
                predicted_iou=float(np.clip(part.iou_predictions[i], 0, 1)),
                stability_score=float(part.stability_scores[i]),
                point_coords=((x, y),),
                crop_box=tuple(xyxy_to_xywh(part.crop_boxes[i]).tolist()),
            )


def _check_range(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        wanted = f"between {low:g} and {high:g}" if high < math.inf else f"at least {low:g}"
        raise InvalidInputError(f"{name} must be {wanted}, got {value}. Correct the option.")
