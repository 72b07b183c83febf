"""What a data set's masks are like, as counts that add up (SA paper, Sec. 5 and Fig. 6).

A data set is counted part by part, in any order and by any number of processes; two counts are
added with `+`. Memory does not grow with the number of images. Distributions are histograms, so
medians and shares are exact to the width of a bin.
"""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from anymask.core.errors import InvalidInputError
from anymask.dataset.described import DescribedImage, DescribedMask
from anymask.dataset.mask_shape import measure_shape

IntArray = NDArray[np.int64]

NUM_SIZE_BINS = 100  # of relative size, which is between 0 and 1
# Where masks are compared by size, bins double, as most masks are small.
SIZE_STRATA = (0.0, 1 / 64, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)
NUM_CONCAVITY_BINS = 50
CENTRE_CELLS = 64  # a side of the heat map
SCORE_STEP = 0.005
NUM_SCORE_BINS = 240  # up to 1.2: predicted IoU is a regression and may exceed 1
SIDE_STEP_PX = 100
NUM_SIDE_BINS = 60  # the last also counts what is larger
ASPECT_STEP = 0.1  # of log2(width / height)
NUM_ASPECT_BINS = 40  # from 1:4 to 4:1; the outer ones also count what is beyond
COCO_AREAS_PX = (32**2, 96**2)  # small, medium, large, as COCO counts them
NUM_CROP_LAYERS = 5
_LEAST_IN_STRATUM = 30  # masks of a size below which their concavities say little


@dataclass(frozen=True, kw_only=True, eq=False)
class DatasetStatistics:
    """Counts of images and masks; all arrays are int64.

    Attributes:
        num_images: images, with and without masks.
        num_masks: masks with at least one pixel.
        masks_per_image: images by their number of masks.
        relative_sizes: (100,) masks by sqrt(mask area / image area), from 0 to 1.
        areas_px: (3,) masks that are small, medium and large by COCO's areas, in pixels.
        concavities: (7, 50) masks by `SIZE_STRATA` and by 1 - area / hull area, from 0 to 1.
        centres: (64, 64) masks by where in the image their centre is, rows from above.
        predicted_ious: (240,) masks by predicted IoU, from 0 in steps of 0.005.
        stability_scores: (240,) likewise.
        crop_layers: (5,) masks by the layer of crops they were found in; the first is the image.
        shortest_sides: (60,) images by shortest side, in steps of 100 pixels.
        aspect_ratios: (40,) images by log2(width / height), from -2 to 2.
    """

    num_images: int
    num_masks: int
    masks_per_image: Counter[int]
    relative_sizes: IntArray
    areas_px: IntArray
    concavities: IntArray
    centres: IntArray
    predicted_ious: IntArray
    stability_scores: IntArray
    crop_layers: IntArray
    shortest_sides: IntArray
    aspect_ratios: IntArray

    @classmethod
    def empty(cls) -> Self:
        """The count of nothing."""
        return cls(
            num_images=0,
            num_masks=0,
            masks_per_image=Counter(),
            **{name: np.zeros(shape, dtype=np.int64) for name, shape in _SHAPES.items()},
        )

    def __add__(self, other: Self) -> Self:
        """The count of both."""
        return type(self)(
            **{
                field.name: getattr(self, field.name) + getattr(other, field.name)
                for field in fields(self)
            }
        )

    @property
    def mean_masks_per_image(self) -> float:
        """NaN without images."""
        return self.num_masks / self.num_images if self.num_images else math.nan

    @property
    def median_relative_size(self) -> float:
        """To 0.01; NaN without masks."""
        return median_of(self.relative_sizes, 1 / NUM_SIZE_BINS)

    def share_of_images(self, low: int, high: float) -> float:
        """The share of images with `low` to `high` masks, both included; NaN without images."""
        found = sum(n for number, n in self.masks_per_image.items() if low <= number <= high)
        return found / self.num_images if self.num_images else math.nan

    def to_json(self) -> dict[str, Any]:
        """Return the counts as plain JSON data."""
        return {
            "num_images": self.num_images,
            "num_masks": self.num_masks,
            "masks_per_image": {
                str(n): self.masks_per_image[n] for n in sorted(self.masks_per_image)
            },
            **{name: getattr(self, name).tolist() for name in _SHAPES},
        }

    @classmethod
    def from_json(cls, value: Any) -> Self:
        """Return the counts of `to_json`; InvalidInputError when it is something else."""
        try:
            counts = {name: np.array(value[name], dtype=np.int64) for name in _SHAPES}
            if any(counts[name].shape != shape for name, shape in _SHAPES.items()):
                raise ValueError("other bins")
            return cls(
                num_images=int(value["num_images"]),
                num_masks=int(value["num_masks"]),
                masks_per_image=Counter(
                    {int(n): int(images) for n, images in value["masks_per_image"].items()}
                ),
                **counts,
            )
        except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
            raise InvalidInputError(
                f"statistics must be those that `anymask dataset stats` writes, got {error}. "
                "Count the data set again."
            ) from None


_SHAPES: dict[str, tuple[int, ...]] = {
    "relative_sizes": (NUM_SIZE_BINS,),
    "areas_px": (len(COCO_AREAS_PX) + 1,),
    "concavities": (len(SIZE_STRATA) - 1, NUM_CONCAVITY_BINS),
    "centres": (CENTRE_CELLS, CENTRE_CELLS),
    "predicted_ious": (NUM_SCORE_BINS,),
    "stability_scores": (NUM_SCORE_BINS,),
    "crop_layers": (NUM_CROP_LAYERS,),
    "shortest_sides": (NUM_SIDE_BINS,),
    "aspect_ratios": (NUM_ASPECT_BINS,),
}


def count_images(images: Iterable[DescribedImage]) -> DatasetStatistics:
    """Return the statistics of images, one of which is in memory at a time."""
    masks_per_image: Counter[int] = Counter()
    counts = {name: np.zeros(shape, dtype=np.int64) for name, shape in _SHAPES.items()}
    for image in images:
        masks_per_image[len(image.masks)] += 1
        height, width = image.original_size
        counts["shortest_sides"][_bin(min(height, width), SIDE_STEP_PX, NUM_SIDE_BINS)] += 1
        aspect = math.log2(width / height) + ASPECT_STEP * NUM_ASPECT_BINS / 2
        counts["aspect_ratios"][_bin(aspect, ASPECT_STEP, NUM_ASPECT_BINS)] += 1
        for mask in image.masks:
            _count_mask(counts, mask, image.original_size)
    return DatasetStatistics(
        num_images=masks_per_image.total(),
        num_masks=sum(number * images for number, images in masks_per_image.items()),
        masks_per_image=masks_per_image,
        **counts,
    )


def _count_mask(counts: dict[str, IntArray], mask: DescribedMask, size: tuple[int, int]) -> None:
    height, width = size
    shape = measure_shape(mask.segmentation)
    relative_size = math.sqrt(shape.area / (height * width))
    counts["relative_sizes"][_bin(relative_size, 1 / NUM_SIZE_BINS, NUM_SIZE_BINS)] += 1
    counts["areas_px"][np.searchsorted(COCO_AREAS_PX, shape.area, side="right")] += 1
    stratum = np.searchsorted(SIZE_STRATA[1:-1], relative_size, side="right")
    concavity = _bin(shape.concavity, 1 / NUM_CONCAVITY_BINS, NUM_CONCAVITY_BINS)
    counts["concavities"][stratum, concavity] += 1
    row = _bin(shape.centre[1] / height, 1 / CENTRE_CELLS, CENTRE_CELLS)
    column = _bin(shape.centre[0] / width, 1 / CENTRE_CELLS, CENTRE_CELLS)
    counts["centres"][row, column] += 1
    for name, score in (
        ("predicted_ious", mask.predicted_iou),
        ("stability_scores", mask.stability_score),
    ):
        if score is not None:
            counts[name][_bin(score, SCORE_STEP, NUM_SCORE_BINS)] += 1
    if mask.crop_box is not None:
        counts["crop_layers"][crop_layer(mask.crop_box[2:], size)] += 1


def crop_layer(crop: tuple[float, ...], size: tuple[int, int]) -> int:
    """Return the layer of a crop (width, height) of an image (H, W): 0 is the image itself.

    Layer i has 2^i crops a side, which overlap by less than half (SA paper, App. B).

    >>> crop_layer((692, 567), (1500, 2000))
    2
    """
    ratio = min(size[1] / max(crop[0], 1), size[0] / max(crop[1], 1))
    # Released boxes are rounded, so that the whole image may seem a little larger or smaller.
    layer = math.ceil(math.log2(ratio / 1.02)) if ratio > 1 else 0
    return min(max(layer, 0), NUM_CROP_LAYERS - 1)


def stratified_concavity(
    sets: Iterable[DatasetStatistics],
) -> list[NDArray[np.float64]]:
    """Return each set's distribution of concavity (50,) as if all had masks of the same sizes.

    The paper compares after "stratified sampling based on binned mask sizes" (Sec. 5), as concavity
    depends on size. Instead of drawing masks, every size of `SIZE_STRATA` weighs alike, which is
    what drawing gives on average. Sizes of which a set has fewer than 30 masks are left out of all;
    where none is left the distributions are NaN. Each sums to 1.
    """
    counts = [one.concavities for one in sets]
    numbers = np.array([count.sum(axis=1) for count in counts])
    is_shared = (numbers >= _LEAST_IN_STRATUM).all(axis=0)
    if not is_shared.any():
        return [np.full(NUM_CONCAVITY_BINS, np.nan) for _ in counts]
    return [
        (count[is_shared] / count[is_shared].sum(axis=1, keepdims=True)).mean(axis=0)
        for count in counts
    ]


def median_of(counts: IntArray, step: float, start: float = 0.0) -> float:
    """Return the middle of the bin that holds the median of a histogram; NaN when it is empty."""
    total = counts.sum()
    if not total:
        return math.nan
    return start + (int(np.searchsorted(np.cumsum(counts), total / 2)) + 0.5) * step


def _bin(value: float, step: float, number: int) -> int:
    """The bin of a value among `number` from 0; what lies beyond is counted in the outer ones."""
    # Scores are rounded decimals: without a hair more, 0.95 / 0.005 would fall below 190.
    return min(max(int(value / step + 1e-9), 0), number - 1)
