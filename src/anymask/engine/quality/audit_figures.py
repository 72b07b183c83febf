"""What an audit says: how far masks were from what people made of them."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.core.mask_overlap import rle_iou
from anymask.engine.store.audited import CorrectedMask
from anymask.evaluation.metrics.bootstrap import interval, resample_means

PAPER_SHARES = {0.90: 0.94, 0.75: 0.97}
"""Sec. 5: the share of SA-1B's masks whose IoU with the corrected one is higher."""
PAPER_AGREEMENT = (0.85, 0.91)
"""Sec. 5: the IoU of two people's masks of one object, in earlier work."""
NUM_BINS = 20
# COCO's bands of area, in pixels.
_BANDS: dict[str, Callable[[int], bool]] = {
    "small (below 32 x 32 pixels)": lambda area: area < 32**2,
    "medium": lambda area: 32**2 <= area < 96**2,
    "large (from 96 x 96 pixels)": lambda area: area >= 96**2,
}


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean with the ends of its 95 % interval, images resampled."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class IouFigures:
    """Masks against their corrections.

    Attributes:
        masks: that were looked at; deleted ones count with IoU 0.
        deleted: of them.
        mean: IoU.
        above_90: share of IoU above 0.90.
        above_75: share of IoU above 0.75.
    """

    masks: int
    deleted: int
    mean: Estimate
    above_90: Estimate
    above_75: Estimate


@dataclass(frozen=True, kw_only=True)
class AuditFigures:
    """An audit's outcome.

    Attributes:
        images: that were handed in, and have masks.
        kept: masks left as they were.
        changed: masks of other pixels now.
        deleted: masks that were no object.
        added: objects that had no mask.
        all: of all masks; None without any.
        remaining: of those that were not deleted, as one may read the paper; None without any.
        by_size: of all masks, by COCO's bands of their area.
        histogram: numbers of masks by IoU, in `NUM_BINS` equal bins of [0, 1].
    """

    images: int
    kept: int
    changed: int
    deleted: int
    added: int
    all: IouFigures | None
    remaining: IouFigures | None
    by_size: dict[str, IouFigures]
    histogram: tuple[int, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the figures and the paper's as plain data."""
        paper = {"above_90": PAPER_SHARES[0.90], "above_75": PAPER_SHARES[0.75]}
        return {**asdict(self), "paper": {**paper, "agreement_of_people": PAPER_AGREEMENT}}


def measure_audit(masks: Sequence[CorrectedMask], *, seed: int = 0) -> AuditFigures:
    """Return the figures of corrected masks; intervals depend on the seed alone."""
    audited = [mask for mask in masks if mask.before is not None]
    ious = np.array([_iou(mask) for mask in audited])
    is_deleted = np.array([mask.after is None for mask in audited], dtype=bool)
    image_index = np.array([mask.image_id for mask in audited])
    areas = [0 if mask.before is None else mask.before.area for mask in audited]

    def figures(chosen: NDArray[np.bool_]) -> IouFigures | None:
        return _figures(ious[chosen], image_index[chosen], int(is_deleted[chosen].sum()), seed)

    bands = {
        name: np.array([fits(area) for area in areas], dtype=bool) for name, fits in _BANDS.items()
    }
    kept = sum(mask.before == mask.after for mask in audited)
    deleted = int(is_deleted.sum())
    return AuditFigures(
        images=len({mask.image_id for mask in masks}),
        kept=kept,
        changed=len(audited) - kept - deleted,
        deleted=deleted,
        added=len(masks) - len(audited),
        all=figures(np.ones(len(audited), dtype=bool)),
        remaining=figures(~is_deleted),
        by_size={name: found for name, band in bands.items() if (found := figures(band))},
        histogram=tuple(np.histogram(ious, bins=NUM_BINS, range=(0, 1))[0].tolist()),
    )


def _iou(mask: CorrectedMask) -> float:
    if mask.before is None or mask.after is None:
        return 0.0
    return rle_iou(mask.before, mask.after)


def _figures(
    ious: NDArray[np.float64], image_index: NDArray[np.int64], deleted: int, seed: int
) -> IouFigures | None:
    if not len(ious):
        return None
    table = np.stack([ious, ious > 0.90, ious > 0.75], axis=1)
    means = table.mean(axis=0)
    resampled = resample_means(table, image_index, seed=seed)
    ends = [interval(resampled[:, column]) for column in range(3)]
    mean, above_90, above_75 = (
        Estimate(value=float(value), low=low, high=high)
        for value, (low, high) in zip(means, ends, strict=True)
    )
    return IouFigures(
        masks=len(ious), deleted=deleted, mean=mean, above_90=above_90, above_75=above_75
    )
