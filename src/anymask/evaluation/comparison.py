"""Two models on the same masks: how much each figure changed, and which ones fell.

The interval is that of the difference, mask by mask, so that it is far narrower than the intervals
of the two figures would suggest: both models met the same easy and the same hard masks.
"""

import io
import json
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from anymask.core.errors import InvalidInputError, MissingExtraError
from anymask.dataset.labelled import LabelledImage
from anymask.evaluation.box_to_mask import evaluate_boxes
from anymask.evaluation.metrics.bootstrap import interval, resample_means
from anymask.evaluation.point_to_mask import evaluate_points
from anymask.evaluation.protocol import Predictor, SetScores
from anymask.evaluation.report import format_table

# What is compared, of which suite: the prompts that people give, few clicks to many.
COMPARED = {
    ("box_to_mask", "miou"): "box",
    ("point_to_mask", "miou_1"): "1 click",
    ("point_to_mask", "miou_1_oracle"): "1 click, best of three",
    ("point_to_mask", "miou_3"): "3 clicks",
    ("point_to_mask", "miou_5"): "5 clicks",
}
TOLERATED_FALL = 0.01  # a mean IoU may fall by this much without a word, unless it is certain


@dataclass(frozen=True, kw_only=True)
class Change:
    """One figure before and after, both means over the same masks.

    `low` to `high` is the 95 % interval of `change` = after - before, images resampled.
    """

    dataset: str
    prompt: str
    before: float
    after: float
    change: float
    low: float
    high: float
    num_masks: int
    num_images: int

    @property
    def is_certain(self) -> bool:
        """Whether the interval leaves out no change."""
        return self.low > 0 or self.high < 0

    @property
    def has_fallen(self) -> bool:
        """Whether it fell by a point (0.01) or more, or by less but certainly."""
        return self.change <= -TOLERATED_FALL or self.high < 0


def compare_scores(before: SetScores, after: SetScores, *, seed: int = 0) -> tuple[Change, ...]:
    """Return the change of each figure in `COMPARED` that these scores of one set hold.

    Raises:
        InvalidInputError: the two were not measured on the same masks.
    """
    if (
        (before.suite, before.dataset) != (after.suite, after.dataset)
        or before.image_index.shape != after.image_index.shape
        or not np.array_equal(before.image_index, after.image_index)
    ):
        raise InvalidInputError(
            f"scores must be of the same masks, got {before.suite} of {before.dataset} and "
            f"{after.suite} of {after.dataset}. Evaluate both models on one sample."
        )
    names = {
        metric: label
        for (suite, metric), label in COMPARED.items()
        if suite == before.suite and metric in before.values
    }
    old = np.stack([before.values[metric] for metric in names], axis=1)
    new = np.stack([after.values[metric] for metric in names], axis=1)
    drawn = resample_means(
        new - old, before.image_index, seed=zlib.crc32(before.dataset.encode()) ^ seed
    )
    changes = []
    for k, label in enumerate(names.values()):
        low, high = interval(drawn[:, k])
        changes.append(
            Change(
                dataset=before.dataset,
                prompt=label,
                before=float(old[:, k].mean()),
                after=float(new[:, k].mean()),
                change=float((new - old)[:, k].mean()),
                low=low,
                high=high,
                num_masks=len(old),
                num_images=len(np.unique(before.image_index)),
            )
        )
    return tuple(changes)


def compare_predictors(
    before: Predictor,
    after: Predictor,
    dataset: str,
    images: Sequence[LabelledImage],
    *,
    seed: int = 0,
) -> tuple[Change, ...]:
    """Return what changed on the masks of `images`, asked for by boxes and by clicks.

    Raises:
        ImageReadError, InvalidInputError: an image cannot be read or does not fit its masks.
    """
    boxes, points = (
        [suite(predictor, dataset, images) for predictor in (before, after)]
        for suite in (evaluate_boxes, evaluate_points)
    )
    return (*compare_scores(*boxes, seed=seed), *compare_scores(*points, seed=seed))


def changes_to_json_lines(changes: Iterable[Change]) -> str:
    """Return one JSON object a line for the changes, in order, each line ended."""
    return "".join(json.dumps(asdict(change), allow_nan=False) + "\n" for change in changes)


def format_changes(changes: Sequence[Change]) -> str:
    """Return a Markdown table, a figure a row; what fell is marked."""
    table = [["set", "prompt", "before", "after", "change [95 %]", "masks", "images", "note"]]
    for change in changes:
        counts = [str(change.num_masks), str(change.num_images)]
        figures = [f"{change.before:.3f}", f"{change.after:.3f}", _format_change(change)]
        mark = "fell" if change.has_fallen else ""
        table.append([change.dataset, change.prompt, *figures, *counts, mark])
    return format_table(table)


def describe_fall(change: Change) -> str:
    """Return one sentence on a figure that fell."""
    doubt = "" if change.is_certain else ", which may be chance"
    return (
        f"{change.dataset}, {change.prompt}: mean IoU fell from {change.before:.3f} to "
        f"{change.after:.3f} ({_format_change(change)}{doubt})."
    )


def plot_changes(changes: Sequence[Change], *, title: str) -> bytes:
    """Return a PNG: a panel a set, a bar a prompt, whiskers for the intervals.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError("matplotlib", "eval") from None
    datasets = list(dict.fromkeys(change.dataset for change in changes))
    figure = Figure(figsize=(3.2 + 2.6 * len(datasets), 3.6), layout="constrained")
    figure.suptitle(title)
    panels = figure.subplots(1, len(datasets), sharex=True, sharey=True, squeeze=False)[0]
    for axes, dataset in zip(panels, datasets, strict=True):
        rows = [change for change in changes if change.dataset == dataset]
        values = np.array([row.change for row in rows])
        whiskers = np.array(
            [
                [max(0.0, row.change - row.low) for row in rows],
                [max(0.0, row.high - row.change) for row in rows],
            ]
        )
        colors = ["tab:red" if row.has_fallen else "tab:blue" for row in rows]
        positions = np.arange(len(rows))
        axes.barh(positions, values, xerr=whiskers, color=colors, alpha=0.8, capsize=2)
        axes.axvline(0, color="black", linewidth=0.8)
        axes.set(title=dataset, xlabel="change of mIoU")
        axes.set_yticks(positions, [row.prompt for row in rows])
        axes.grid(axis="x", alpha=0.3)
    panels[0].invert_yaxis()
    output = io.BytesIO()
    figure.savefig(output, format="png", dpi=110)
    return output.getvalue()


def _format_change(change: Change) -> str:
    return f"{change.change:+.3f} [{change.low:+.3f}, {change.high:+.3f}]"
