"""What a rating study says: means, paired differences and their tests, as App. E has them."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy import stats

from anymask.engine.quality.audit_figures import Estimate
from anymask.engine.store.ratings import HIGHEST, LOWEST, GivenRating
from anymask.evaluation.metrics.bootstrap import interval, resample_means

PAPER_MEANS = {
    "LVIS ground truth": 8.6,
    "SAM, box": 8.1,
    "ViTDet-H, box": 7.9,
    "COCO ground truth": 7.6,
}
"""Fig. 11, of masks on LVIS v1."""
PAPER_RATER_SD = 0.83
"""App. E: mean SD of five people's ratings of one mask, in a pilot."""
PAPER_SECONDS = 90.0
"""App. G: mean seconds a job."""
_ENDS = (0.5, 99.5)  # of the paper's 99 % interval
_Objects = dict[tuple[int, str], float]


@dataclass(frozen=True, kw_only=True)
class SourceFigures:
    """A source's ratings.

    Attributes:
        masks: that were rated.
        mean: over masks, of the mean over raters, with its 95 % interval, images resampled.
        histogram: numbers of ratings 1 to 10.
    """

    masks: int
    mean: Estimate
    histogram: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class PairFigures:
    """One source against another, on the objects that both have.

    Attributes:
        first: name.
        second: name.
        masks: pairs.
        difference: mean of first less second, with the ends of its 99 % interval (paired bootstrap,
            images resampled).
        p_value: of the paired t-test; None with fewer than two pairs, or if all differ alike.
    """

    first: str
    second: str
    masks: int
    difference: Estimate
    p_value: float | None


@dataclass(frozen=True, kw_only=True)
class RatingFigures:
    """A study's outcome.

    Attributes:
        ratings: given.
        raters: people who gave any.
        sources: by name.
        pairs: of sources.
        rater_sd: mean SD of the ratings of one mask, over masks that several people rated; None
            without any.
        seconds: mean of a rating, without idle time; None without any.
    """

    ratings: int
    raters: int
    sources: dict[str, SourceFigures]
    pairs: tuple[PairFigures, ...]
    rater_sd: float | None
    seconds: float | None

    def to_json(self) -> dict[str, Any]:
        """Return the figures and the paper's as plain data."""
        paper = {"means": PAPER_MEANS, "rater_sd": PAPER_RATER_SD, "seconds": PAPER_SECONDS}
        return {**asdict(self), "paper": paper}


def measure_ratings(ratings: Sequence[GivenRating], *, seed: int = 0) -> RatingFigures:
    """Return the figures of ratings; intervals depend on the seed alone."""
    given: dict[str, dict[tuple[int, str], list[int]]] = {}
    for rating in ratings:
        of_source = given.setdefault(rating.source, {})
        of_source.setdefault((rating.image_id, rating.object_key), []).append(rating.score)
    means: dict[str, _Objects] = {
        source: {key: float(np.mean(scores)) for key, scores in objects.items()}
        for source, objects in sorted(given.items())
    }
    repeated = [
        float(np.std(scores, ddof=1))
        for objects in given.values()
        for scores in objects.values()
        if len(scores) > 1
    ]
    return RatingFigures(
        ratings=len(ratings),
        raters=len({rating.rater for rating in ratings}),
        sources={
            source: _source_figures(
                objects, [score for scores in given[source].values() for score in scores], seed
            )
            for source, objects in means.items()
        },
        pairs=tuple(
            figures
            for first, second in itertools.combinations(means, 2)
            if (figures := _pair_figures(first, second, means[first], means[second], seed))
        ),
        rater_sd=float(np.mean(repeated)) if repeated else None,
        seconds=float(np.mean([rating.seconds for rating in ratings])) if ratings else None,
    )


def _source_figures(objects: _Objects, scores: Sequence[int], seed: int) -> SourceFigures:
    values = np.array(list(objects.values()))
    resampled = resample_means(values[:, None], [image for image, _ in objects], seed=seed)
    low, high = interval(resampled)
    counts = np.bincount(scores, minlength=HIGHEST + 1)[LOWEST:]
    return SourceFigures(
        masks=len(values),
        mean=Estimate(value=float(values.mean()), low=low, high=high),
        histogram=tuple(counts.tolist()),
    )


def _pair_figures(
    first: str, second: str, of_first: _Objects, of_second: _Objects, seed: int
) -> PairFigures | None:
    both = sorted(of_first.keys() & of_second.keys())
    if not both:
        return None
    a, b = (np.array([objects[key] for key in both]) for objects in (of_first, of_second))
    resampled = resample_means((a - b)[:, None], [image for image, _ in both], seed=seed)
    low, high = np.percentile(resampled, _ENDS)
    is_testable = len(both) > 1 and not np.allclose(a - b, (a - b)[0])
    p_value = float(stats.ttest_rel(a, b).pvalue) if is_testable else math.nan
    return PairFigures(
        first=first,
        second=second,
        masks=len(both),
        difference=Estimate(value=float((a - b).mean()), low=float(low), high=float(high)),
        p_value=None if math.isnan(p_value) else p_value,
    )
