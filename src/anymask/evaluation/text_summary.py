"""Rows of a text evaluation: names seen in training and others apart, present names and absent."""

import json
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict

import numpy as np
from numpy.typing import NDArray

from anymask.evaluation.metrics.bootstrap import interval, resample_means
from anymask.evaluation.metrics.ranking import auroc, resample_auroc
from anymask.evaluation.protocol import EvalRow
from anymask.evaluation.summary import MEAN_ALL
from anymask.evaluation.text_to_mask import TextScore

SUITE = "text_to_mask"
PRESENCE_SUITE = "text_presence"
_FIELDS = {
    "miou": "union_iou",
    "top1_iou": "top_iou",
    "ar_10": "recall",
    "miou_largest_mask": "largest_iou",
}
_GROUPS = ("", ", names seen", ", names not seen")


def summarise_texts(
    scores: Sequence[TextScore], *, threshold: float, with_baseline: bool, seed: int = 0
) -> tuple[EvalRow, ...]:
    """Return rows of each set and their means, of all names, those seen in training, the others.

    Metrics of present names: `miou`, all answers from the threshold on against all masks of the
    name; `top1_iou`; `ar_10`; `found_rate`, names with an answer from the threshold on;
    `miou_largest_mask`, the baseline. Where absent names were asked for (`text_presence`): `auroc`
    of the top score, present against absent; `false_alarm_rate`, absent names with an answer from
    the threshold on. `num_masks` counts queries.
    """
    rows: list[EvalRow] = []
    present = [score for score in scores if score.is_present]
    for group in _GROUPS if any(score.is_seen is not None for score in scores) else _GROUPS[:1]:
        chosen = [score for score in present if _belongs(score, group)]
        rows += _present_rows(chosen, group, threshold, with_baseline, seed)
    datasets = dict.fromkeys(score.dataset for score in scores if not score.is_present)
    for dataset in datasets:
        chosen = [score for score in scores if score.dataset == dataset]
        rows += _presence_rows(chosen, dataset, threshold, seed)
    return tuple(rows)


def text_scores_to_json_lines(scores: Iterable[TextScore]) -> str:
    """Return one JSON object a line for the queries, in order, each line ended."""
    return "".join(json.dumps(asdict(score), allow_nan=False) + "\n" for score in scores)


def _belongs(score: TextScore, group: str) -> bool:
    return not group or score.is_seen == (group == ", names seen")


def _present_rows(
    scores: Sequence[TextScore], group: str, threshold: float, with_baseline: bool, seed: int
) -> list[EvalRow]:
    names = [name for name in _FIELDS if with_baseline or name != "miou_largest_mask"]
    metrics = [*names, "found_rate"]
    rows: list[EvalRow] = []
    means: list[NDArray[np.float64]] = []
    drawn: list[NDArray[np.float64]] = []
    counts: list[tuple[int, int]] = []
    for dataset in dict.fromkeys(score.dataset for score in scores):
        chosen = [score for score in scores if score.dataset == dataset]
        table = np.array(
            [
                [*(getattr(s, _FIELDS[name]) for name in names), s.top_score >= threshold]
                for s in chosen
            ],
            dtype=np.float64,
        )
        images = np.array([score.image_index for score in chosen])
        set_seed = zlib.crc32(f"{dataset}{group}".encode()) ^ seed
        means.append(table.mean(axis=0))
        drawn.append(resample_means(table, images, seed=set_seed))
        counts.append((len(chosen), len(np.unique(images))))
        rows += _rows(f"{dataset}{group}", metrics, means[-1], drawn[-1], counts[-1])
    if len(means) > 1:
        total = (sum(n for n, _ in counts), sum(n for _, n in counts))
        mean, draws = np.mean(means, axis=0), np.mean(drawn, axis=0)
        rows += _rows(f"{MEAN_ALL}{group}", metrics, mean, draws, total)
    return rows


def _presence_rows(
    scores: Sequence[TextScore], dataset: str, threshold: float, seed: int
) -> list[EvalRow]:
    values = np.array([score.top_score for score in scores])
    is_present = np.array([score.is_present for score in scores])
    images = np.array([score.image_index for score in scores])
    set_seed = zlib.crc32(dataset.encode()) ^ seed
    alarms = (values[~is_present] >= threshold).astype(np.float64)[:, None]
    mean = np.array([auroc(values[is_present], values[~is_present]), alarms.mean()])
    drawn = np.stack(
        [
            resample_auroc(values, is_present, images, seed=set_seed),
            resample_means(alarms, images[~is_present], seed=set_seed)[:, 0],
        ],
        axis=1,
    )
    counts = (len(scores), len(np.unique(images)))
    metrics = ["auroc", "false_alarm_rate"]
    return _rows(dataset, metrics, mean, drawn, counts, suite=PRESENCE_SUITE)


def _rows(
    dataset: str,
    metrics: Sequence[str],
    means: NDArray[np.float64],
    drawn: NDArray[np.float64],
    counts: tuple[int, int],
    *,
    suite: str = SUITE,
) -> list[EvalRow]:
    rows = []
    for k, metric in enumerate(metrics):
        low, high = interval(drawn[:, k])
        rows.append(
            EvalRow(
                suite=suite,
                dataset=dataset,
                metric=metric,
                value=float(means[k]),
                low=low,
                high=high,
                num_masks=counts[0],
                num_images=counts[1],
            )
        )
    return rows
