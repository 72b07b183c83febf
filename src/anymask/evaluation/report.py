"""Tables of an evaluation's rows, for a terminal and for a Markdown file alike."""

import math
from collections.abc import Sequence

from anymask.evaluation.protocol import EvalRow


def format_tables(rows: Sequence[EvalRow]) -> str:
    """Return a Markdown table a suite: sets are rows, metrics columns, cells `value [low, high]`.

    Columns are padded, so that it reads well unrendered.
    """
    suites = list(dict.fromkeys(row.suite for row in rows))
    parts = [_format_suite(suite, [row for row in rows if row.suite == suite]) for suite in suites]
    return "\n".join(parts)


def format_report(
    rows: Sequence[EvalRow], *, model: str, settings: str, unit: str = "masks"
) -> str:
    """Return the Markdown report: what was evaluated and how, and the tables.

    `unit` names what means are taken over.
    """
    return (
        f"# Evaluation of {model}\n\n"
        f"Settings: {settings}.\n"
        f"Cells: mean over {unit} [95 % confidence interval, images resampled with replacement].\n"
        "A mean over sets weighs every set alike.\n\n"
        f"{format_tables(rows)}\n![Plot of these numbers](plot.png)\n"
    )


def _format_suite(suite: str, rows: Sequence[EvalRow]) -> str:
    metrics = list(dict.fromkeys(row.metric for row in rows))
    datasets = list(dict.fromkeys(row.dataset for row in rows))
    cells = {(row.dataset, row.metric): _format_cell(row) for row in rows}
    sizes = {row.dataset: (row.num_images, row.num_masks) for row in rows}
    table = [["set", "images", "masks", *metrics]]
    for dataset in datasets:
        counts = [str(number) for number in sizes[dataset]]
        table.append([dataset, *counts, *(cells.get((dataset, name), "") for name in metrics)])
    return f"## {suite}\n\n{format_table(table)}"


def format_table(table: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table of the cells, its first line the head, padded to read unrendered."""
    widths = [max(len(line[i]) for line in table) for i in range(len(table[0]))]
    lines = [
        f"| {' | '.join(cell.ljust(w) for cell, w in zip(line, widths, strict=True))} |"
        for line in table
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:], ""])


def _format_cell(row: EvalRow) -> str:
    if not math.isfinite(row.value):
        return "undefined"
    return f"{row.value:.3f} [{row.low:.2f}, {row.high:.2f}]"
