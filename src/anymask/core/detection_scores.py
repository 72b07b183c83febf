"""How good ranked answers are: precision and recall down the ranking, and their average."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.core.errors import InvalidInputError


@dataclass(frozen=True, kw_only=True, eq=False)
class RankedAnswers:
    """Answers of all images together, the most confident first.

    Attributes:
        confidences: (K,) float64, falling.
        precision: (K,) float64, of the answers down to each one.
        recall: (K,) float64, likewise; zeros without targets.
    """

    confidences: NDArray[np.float64]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]

    @property
    def average_precision(self) -> float:
        """The area under precision over recall, precision made falling (PASCAL VOC 2010)."""
        falling = np.maximum.accumulate(self.precision[::-1])[::-1]
        return float((np.diff(self.recall, prepend=0.0) * falling).sum())

    def last_at(self, precision: float, min_answers: int = 1) -> int | None:
        """The index of the last answer down to which the precision is at least that high.

        Args:
            precision: in [0, 1].
            min_answers: fewer say too little, and do not count.
        """
        fits = np.flatnonzero(self.precision[min_answers - 1 :] >= precision)
        return int(fits[-1]) + min_answers - 1 if len(fits) else None


def rank_answers(confidences: ArrayLike, hits: ArrayLike, num_targets: int) -> RankedAnswers:
    """Return precision and recall of answers, ranked; of equal ones the earlier comes first.

    Args:
        confidences: (K,) numbers, in any order.
        hits: (K,) bool, whether each has a target of its own.
        num_targets: that there are.

    Raises:
        InvalidInputError: not one hit or miss for each confidence.

    >>> rank_answers([0.2, 0.9, 0.5], [True, True, False], 4).precision.round(2).tolist()
    [1.0, 0.5, 0.67]
    """
    scores = np.asarray(confidences, dtype=np.float64).reshape(-1)
    is_hit = np.asarray(hits, dtype=np.bool_).reshape(-1)
    if scores.shape != is_hit.shape:
        raise InvalidInputError(
            f"hits must be one for each confidence, got {len(is_hit)} for {len(scores)}."
        )
    order = np.argsort(-scores, kind="stable")
    found = np.cumsum(is_hit[order])
    return RankedAnswers(
        confidences=scores[order],
        precision=found / np.arange(1, len(scores) + 1),
        recall=found / max(1, num_targets),
    )


def hits_of(ious: ArrayLike, found_iou: float) -> list[bool]:
    """Return whether each answer, in the order of rank, has a target that no better one has.

    Args:
        ious: (K, N) of answers with targets.
        found_iou: from which on a target is found.

    >>> hits_of([[0.8, 0.1], [0.9, 0.2], [0.3, 0.6]], 0.5)
    [True, False, True]
    """
    free = np.array(ious, dtype=np.float64)
    hits = []
    for row in free:
        best = int(row.argmax()) if len(row) else -1
        hits.append(best >= 0 and bool(row[best] >= found_iou))
        if hits[-1]:
            free[:, best] = -1
    return hits
