"""A comparison as a table, as JSON and as a picture."""

import dataclasses
import io
import statistics
from collections.abc import Sequence
from typing import Any

from anymask.core.errors import MissingExtraError
from anymask.evaluation.speed.comparison import SpeedRow
from anymask.evaluation.speed.machine import Machine
from anymask.evaluation.speed.tasks import TASKS


def format_rows(rows: Sequence[SpeedRow]) -> str:
    """A Markdown table a task, padded so that it reads well unrendered."""
    parts = []
    for task in dict.fromkeys(row.task for row in rows):
        title = TASKS[task].title if task in TASKS else "fresh processes"
        table = [["contender", "median", "range", "times faster", "peak memory", "error"]]
        table += [_cells(row) for row in rows if row.task == task]
        widths = [max(len(line[i]) for line in table) for i in range(len(table[0]))]
        lines = [
            "| " + " | ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)) + " |"
            for line in table
        ]
        lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
        parts.append(f"{task}: {title}\n\n" + "\n".join(lines) + "\n")
    return "\n".join(parts)


def rows_to_json(rows: Sequence[SpeedRow], machine: Machine) -> dict[str, Any]:
    """Plain JSON values: the machine, and the rows with their medians."""
    return {
        "machine": dataclasses.asdict(machine),
        "rows": [
            {**dataclasses.asdict(row), "median_seconds": statistics.median(row.seconds)}
            for row in rows
        ],
    }


def plot_rows(rows: Sequence[SpeedRow], machine: Machine) -> bytes:
    """A PNG with a panel a task: medians as bars, the range of the rounds as whiskers.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError("matplotlib", "eval") from None
    tasks = list(dict.fromkeys(row.task for row in rows))
    figure = Figure(figsize=(9, 1.0 + 1.7 * len(tasks)), layout="constrained")
    figure.suptitle(machine.describe().splitlines()[0], fontsize=9)
    for i, task in enumerate(tasks, 1):
        axes = figure.add_subplot(len(tasks), 1, i)
        own = [row for row in rows if row.task == task]
        medians = [statistics.median(row.seconds) for row in own]
        spread = [
            [m - min(row.seconds) for m, row in zip(medians, own, strict=True)],
            [max(row.seconds) - m for m, row in zip(medians, own, strict=True)],
        ]
        labels = [row.contender for row in own]
        colors = ["tab:blue" if name.startswith("anymask") else "tab:gray" for name in labels]
        axes.barh(labels, medians, xerr=spread, color=colors, height=0.6)
        for place, (median, row) in enumerate(zip(medians, own, strict=True)):
            faster = f"  {row.ratio.median:.1f}x" if row.ratio else ""
            axes.text(max(row.seconds), place, f" {_duration(median)}{faster}", va="center")
        axes.invert_yaxis()
        axes.margins(x=0.25)
        axes.set_title(f"{task}: {TASKS[task].title}" if task in TASKS else task, fontsize=10)
        axes.set_xlabel("seconds", fontsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    output = io.BytesIO()
    figure.savefig(output, format="png", dpi=120)
    return output.getvalue()


def _cells(row: SpeedRow) -> list[str]:
    factor = row.ratio
    return [
        row.contender,
        _duration(statistics.median(row.seconds)),
        f"{_duration(min(row.seconds))} to {_duration(max(row.seconds))}",
        f"{factor.median:.2f} ({factor.low:.2f} to {factor.high:.2f})" if factor else "",
        f"{row.peak.peak / 2**30:.2f} GiB" if row.peak else "",
        "" if row.embedding_error is None else f"{row.embedding_error:.1e}",
    ]


def _duration(seconds: float) -> str:
    return f"{1000 * seconds:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"
