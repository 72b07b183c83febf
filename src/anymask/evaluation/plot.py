"""One picture of an evaluation: mIoU against clicks; boxes and text beside their baselines."""

import io
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from anymask.core.errors import MissingExtraError
from anymask.evaluation.protocol import EvalRow

_BOX_BARS = {
    "miou": "model",
    "miou_predicted": "model, best predicted of three",
    "miou_single": "model, single-mask token",
    "miou_oracle": "model, best of three",
    "miou_grabcut": "GrabCut",
    "miou_filled_box": "filled box",
}
_TEXT_BARS = {
    "miou": "model, all found",
    "top1_iou": "best answer",
    "ar_10": "recall of ten (AR)",
    "miou_largest_mask": "largest mask of all",
}


def plot_rows(rows: Sequence[EvalRow], *, title: str) -> bytes:
    """Return a PNG with a panel for each suite in `rows`, intervals as bands and whiskers.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError("matplotlib", "eval") from None
    panels: dict[str, Callable[[Any, Sequence[EvalRow]], None]] = {
        "point_to_mask": _plot_points,
        "box_to_mask": partial(_plot_bars, bars=_BOX_BARS, title="Box to mask"),
        "text_to_mask": partial(_plot_bars, bars=_TEXT_BARS, title="Text to mask"),
    }
    suites = [suite for suite in panels if any(row.suite == suite for row in rows)]
    figure = Figure(figsize=(9 * len(suites), 5.5), layout="constrained")
    figure.suptitle(title)
    for i, suite in enumerate(suites, 1):
        axes = figure.add_subplot(1, len(suites), i)
        panels[suite](axes, [row for row in rows if row.suite == suite])
    output = io.BytesIO()
    figure.savefig(output, format="png")
    return output.getvalue()


def _plot_points(axes: Any, rows: Sequence[EvalRow]) -> None:
    for i, dataset in enumerate(dict.fromkeys(row.dataset for row in rows)):
        series = [
            (int(row.metric.removeprefix("miou_")), row)
            for row in rows
            if row.dataset == dataset and row.metric.removeprefix("miou_").isdigit()
        ]
        clicks = [number for number, _ in series]
        is_mean = dataset.startswith("mean of")
        (line,) = axes.plot(
            clicks,
            [row.value for _, row in series],
            marker="o",
            linewidth=3 if is_mean else 1.5,
            linestyle="--" if is_mean else "-",
            color=f"C{i % 10}" if not is_mean else ("black", "dimgrey")[i % 2],
            label=dataset,
        )
        low, high = [row.low for _, row in series], [row.high for _, row in series]
        axes.fill_between(clicks, low, high, color=line.get_color(), alpha=0.12, linewidth=0)
    axes.set(title="Points to mask", xlabel="clicks", ylabel="mIoU (band: 95 %)", ylim=(0, 1))
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small", loc="center left", bbox_to_anchor=(1.0, 0.5))


def _plot_bars(axes: Any, rows: Sequence[EvalRow], bars: Mapping[str, str], title: str) -> None:
    datasets = list(dict.fromkeys(row.dataset for row in rows))
    cells = {(row.dataset, row.metric): row for row in rows}
    metrics = [name for name in bars if any(row.metric == name for row in rows)]
    width = 0.8 / len(metrics)
    for k, metric in enumerate(metrics):
        found = [cells[dataset, metric] for dataset in datasets]
        whiskers = [
            [max(0.0, row.value - row.low) for row in found],
            [max(0.0, row.high - row.value) for row in found],
        ]
        positions = [i + (k - (len(metrics) - 1) / 2) * width for i in range(len(datasets))]
        values = [row.value for row in found]
        axes.bar(positions, values, width, yerr=whiskers, label=bars[metric], capsize=2)
    axes.set_xticks(range(len(datasets)), datasets, rotation=30, ha="right")
    axes.set(title=title, ylabel="mIoU (whisker: 95 %)", ylim=(0, 1.1))
    axes.grid(axis="y", alpha=0.3)
    axes.legend(fontsize="small", ncols=len(metrics), loc="upper center")
