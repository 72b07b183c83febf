"""The rounds as plots: what a mask cost people, how many masks they left, how good the model is."""

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anymask.core.errors import MissingExtraError
from anymask.engine.status import RoundSummary
from anymask.engine.steps import Stage

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLORS = {
    Stage.ASSISTED_MANUAL: "tab:blue",
    Stage.SEMI_AUTOMATIC: "tab:orange",
    Stage.FULLY_AUTOMATIC: "tab:green",
}


@dataclass(frozen=True, kw_only=True)
class RoundPlot:
    """One figure of the rounds.

    Attributes:
        title: with its unit.
        value: of a round; None where it has none.
        interval: low and high end of its 95 % interval; None without.
        begins_at_zero: whether the axis shows how large a change is beside the whole.
    """

    title: str
    value: Callable[[RoundSummary], float | None]
    interval: Callable[[RoundSummary], tuple[float, float] | None] = lambda row: None
    begins_at_zero: bool = True


def _score_interval(row: RoundSummary) -> tuple[float, float] | None:
    if row.score_low is None or row.score_high is None:
        return None
    return row.score_low, row.score_high


ROUND_PLOTS = (
    RoundPlot(title="seconds a mask", value=lambda row: row.seconds_per_mask),
    RoundPlot(title="clicks a mask", value=lambda row: row.clicks_per_mask),
    RoundPlot(title="masks an image", value=lambda row: row.masks_per_image),
    RoundPlot(
        title="mean IoU on held-out photos",
        value=lambda row: row.score,
        interval=_score_interval,
        begins_at_zero=False,
    ),
)


def plot_rounds(
    runs: Sequence[Sequence[RoundSummary]], plots: Sequence[RoundPlot] = ROUND_PLOTS
) -> bytes:
    """Return a PNG with a panel a plot; the runs are drawn over each other.

    Points of refused models are hollow; whiskers are drawn for a single run only.

    Args:
        runs: the rounds of one engine, or of several with other seeds.
        plots: the panels.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
        from matplotlib.ticker import MaxNLocator
    except ImportError:
        raise MissingExtraError("matplotlib", "eval") from None
    rows = (len(plots) + 1) // 2
    figure = Figure(figsize=(10, 3.1 * rows), layout="constrained")
    for place, plot in enumerate(plots, 1):
        axes = figure.add_subplot(rows, 2, place)
        for rounds in runs:
            _draw(axes, plot, rounds, has_whiskers=len(runs) == 1)
        if plot.begins_at_zero:
            axes.set_ylim(bottom=0)
        axes.set_title(plot.title, fontsize=10, loc="left")
        axes.set_xlabel("round", fontsize=9)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(axis="y", alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    stages = dict.fromkeys(row.stage for rounds in runs for row in rounds if row.round)
    handles = [
        figure.axes[0].plot([], [], "o", color=_COLORS[stage], label=str(stage))[0]
        for stage in stages
    ]
    if handles:
        figure.legend(handles=handles, loc="outside lower center", ncols=3, frameon=False)
    output = io.BytesIO()
    figure.savefig(output, format="png", dpi=110)
    return output.getvalue()


def _draw(
    axes: "Axes", plot: RoundPlot, rounds: Sequence[RoundSummary], *, has_whiskers: bool
) -> None:
    known = [(row, value) for row in rounds if (value := plot.value(row)) is not None]
    axes.plot([row.round for row, _ in known], [y for _, y in known], color="0.75", zorder=1)
    for row, value in known:
        color = _COLORS[row.stage]
        face = "white" if row.is_promoted is False and plot.interval(row) else color
        axes.plot(row.round, value, "o", color=color, markerfacecolor=face, zorder=2)
        ends = plot.interval(row) if has_whiskers else None
        if ends is not None:
            axes.plot([row.round] * 2, ends, color=color, linewidth=1, zorder=1)
