"""The picture of a run: losses, held-out scores, throughput, and where the time goes."""

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.core.errors import MissingExtraError
from anymask.core.files import write_bytes
from anymask.training import log_rows
from anymask.training.run_folder import RunFolder

_SMOOTHING_STEPS = 50

Row = Mapping[str, Any]


def plot_curves(folder: RunFolder) -> None:
    """Writes `curves.png` into the run folder; the horizontal axis is images seen.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError("matplotlib", "eval") from None
    rows = folder.read_log()
    if not rows:
        return
    figure = Figure(figsize=(11, 7.6), layout="constrained")
    FigureCanvasAgg(figure)
    losses, scores, speed, shares = figure.subplots(2, 2).flat
    seen = np.cumsum([row["num_images"] for row in rows]) / 1000
    _plot_losses(losses, seen, rows)
    _plot_scores(scores, seen, rows)
    _plot_speed(speed, seen, rows)
    _plot_shares(shares, seen, rows)
    for axes in (losses, scores, speed, shares):
        axes.set_xlabel("thousand images")
        axes.grid(alpha=0.3)
        if axes.get_legend_handles_labels()[1]:
            axes.legend(fontsize=8)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    write_bytes(folder.path / "curves.png", buffer.getvalue())


def _plot_losses(axes: Any, seen: NDArray[Any], rows: Sequence[Row]) -> None:
    for name, values in _running_means(rows, log_rows.losses).items():
        if (values > 0).any():  # a term that is not used is a row of zeros
            axes.plot(seen[-len(values) :], values, label=name.replace("_", " "), linewidth=1.2)
    axes.set(yscale="log", title="training losses (running mean)")


def _plot_scores(axes: Any, seen: NDArray[Any], rows: Sequence[Row]) -> None:
    validated = [
        (x, found) for x, row in zip(seen, rows, strict=True) if (found := log_rows.scores(row))
    ]
    for name in sorted({name for _, found in validated for name in found}):
        points = [(x, found[name]) for x, found in validated if name in found]
        axes.plot(*zip(*points, strict=True), marker=".", label=name.replace("_", " "))
    axes.set(title="held-out data (averaged weights)")


def _plot_speed(axes: Any, seen: NDArray[Any], rows: Sequence[Row]) -> None:
    for name, values in _running_means(rows, log_rows.rates).items():
        axes.plot(seen[-len(values) :], values, label=name, linewidth=1.2)
    axes.set(title="throughput, a second (running mean)")
    axes.set_ylim(bottom=0)


def _plot_shares(axes: Any, seen: NDArray[Any], rows: Sequence[Row]) -> None:
    times = _running_means(rows, log_rows.seconds)
    if times:
        total = np.maximum(sum(times.values()), 1e-9)
        parts = [100 * values / total for values in times.values()]
        axes.stackplot(seen[-len(total) :], *parts, labels=list(times), alpha=0.8)
    axes.set(title="share of the time, %", ylim=(0, 100))


def _running_means(
    rows: Sequence[Row], numbers: Callable[[Row], Mapping[str, float]]
) -> dict[str, NDArray[Any]]:
    """The running means of those numbers that the last row has, over the rows that have them."""
    found = [numbers(row) for row in rows]
    window = max(1, min(_SMOOTHING_STEPS, len(rows) // 4))
    kernel = np.ones(window) / window
    means = {}
    for name in found[-1]:
        values = [entry[name] for entry in found if name in entry]
        means[name] = np.convolve(values, kernel[: len(values)], mode="valid")
    shortest = min((len(values) for values in means.values()), default=0)
    return {name: values[-shortest:] for name, values in means.items()}
