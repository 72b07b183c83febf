"""The figures of a data set's statistics, beside other sets and figures of the SA paper."""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.core.errors import MissingExtraError
from anymask.dataset import statistics as bins
from anymask.dataset.paper_figures import (
    MASKS_PER_IMAGE_BINS,
    PREDICTED_IOU_THRESHOLD,
    PUBLISHED_SETS,
    RELEASED_SHORTEST_SIDE_PX,
    STABILITY_THRESHOLD,
)
from anymask.dataset.statistics import DatasetStatistics, stratified_concavity

Sets = Mapping[str, DatasetStatistics]

# Told apart by readers who do not see all colours, on white and on black.
_COLOURS = ("#2f7de1", "#e08a1e", "#12a594", "#d6539c", "#8a6ef0", "#9a8c2c")
_PUBLISHED = "#8b93a1"
_MASKS_A_CELL = 4  # of the heat map, on average
_MASKS_A_BIN = 20  # of scores, on average


@dataclass(frozen=True, kw_only=True)
class PlotTheme:
    """Colours of a figure apart from its curves."""

    text: str
    line: str
    background: str


LIGHT = PlotTheme(text="#1a1d23", line="#dfe2e8", background="#ffffff")
DARK = PlotTheme(text="#e8eaee", line="#333842", background="#1d2026")


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One figure: what it is called, what it shows, and how it is drawn on matplotlib's axes.

    Attributes:
        name: of its files.
        title: above it.
        caption: below it: what is counted, and how to read it.
        num_panels: axes side by side.
        draw: draws the sets on that many axes.
    """

    name: str
    title: str
    caption: str
    num_panels: int
    draw: Callable[[Sequence[Any], Sets], None]


def figures_of(sets: Sets) -> tuple[Figure, ...]:
    """Return the figures that there is something to show in, for sets by name, ours first."""
    has_scores = any(
        one.predicted_ious.any() or one.stability_scores.any() for one in sets.values()
    )
    has_crops = any(one.crop_layers.any() for one in sets.values())
    figures = [_MASKS_PER_IMAGE, _MEANS, _SIZES, _CONCAVITY]
    figures.append(_centres(min(len(sets), 4)))
    if has_scores:
        figures.append(_SCORES)
    if has_crops:
        figures.append(_CROPS)
    return (*figures, _IMAGES)


def draw_figure(
    figure: Figure, sets: Sets, *, theme: PlotTheme = LIGHT, file_format: str = "svg"
) -> bytes:
    """Return a figure as a file, the same bytes for the same statistics.

    Args:
        figure: one of `figures_of`.
        sets: statistics by name, ours first.
        theme: its colours.
        file_format: "svg" or "png".

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        import matplotlib
        from cycler import cycler
        from matplotlib.figure import Figure as Canvas
    except ImportError:
        raise MissingExtraError("matplotlib", "eval") from None
    style: Any = {
        "axes.edgecolor": theme.line,
        "axes.facecolor": theme.background,
        "axes.labelcolor": theme.text,
        "axes.prop_cycle": cycler(color=_COLOURS),
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.titlesize": "medium",
        "figure.facecolor": theme.background,
        "font.size": 10,
        "grid.color": theme.line,
        "legend.frameon": False,
        "svg.hashsalt": figure.name,
        "text.color": theme.text,
        "xtick.color": theme.text,
        "ytick.color": theme.text,
    }
    with matplotlib.rc_context(style):
        width = max(7.2, 4.8 * figure.num_panels)
        canvas = Canvas(figsize=(width, 3.7), layout="constrained")
        panels = [canvas.add_subplot(1, figure.num_panels, i + 1) for i in range(figure.num_panels)]
        figure.draw(panels, sets)
        output = io.BytesIO()
        metadata = {"Date": None} if file_format == "svg" else {"Software": None}
        canvas.savefig(output, format=file_format, dpi=160, metadata=metadata)
    return output.getvalue()


def _draw_masks_per_image(panels: Sequence[Any], sets: Sets) -> None:
    (axes,) = panels
    width = 0.8 / len(sets)
    for k, (name, one) in enumerate(sets.items()):
        shares = [100 * one.share_of_images(low, high) for _, low, high in MASKS_PER_IMAGE_BINS]
        places = np.arange(len(shares)) + (k - (len(sets) - 1) / 2) * width
        axes.bar(places, shares, width * 0.92, label=name)
    axes.set_xticks(range(len(MASKS_PER_IMAGE_BINS)), [name for name, *_ in MASKS_PER_IMAGE_BINS])
    axes.set(xlabel="masks in an image", ylabel="images (%)")
    axes.grid(axis="y")
    axes.set_axisbelow(True)
    axes.legend()


def _draw_means(panels: Sequence[Any], sets: Sets) -> None:
    (axes,) = panels
    rows = [
        (name, one.mean_masks_per_image, _COLOURS[place % len(_COLOURS)])
        for place, (name, one) in enumerate(sets.items())
    ]
    rows += [(f"{one.name} (paper)", one.masks_per_image, _PUBLISHED) for one in PUBLISHED_SETS]
    for place, (_, value, colour) in enumerate(rows):
        axes.barh(place, value, 0.7, color=colour)
        axes.text(value, place, f" {value:.1f}", va="center", fontsize="small")
    axes.set_yticks(range(len(rows)), [name for name, *_ in rows])
    axes.invert_yaxis()
    axes.margins(x=0.1)
    axes.set(xlabel="masks an image (mean)")
    axes.grid(axis="x")
    axes.set_axisbelow(True)


def _draw_sizes(panels: Sequence[Any], sets: Sets) -> None:
    (axes,) = panels
    for name, one in sets.items():
        _logarithmic_step(axes, _percent(one.relative_sizes), 1 / bins.NUM_SIZE_BINS, name)
    axes.set(xlabel="relative size √(mask / image)", ylabel="masks (%)", xlim=(0, 1))
    axes.grid()
    axes.legend()


def _draw_concavity(panels: Sequence[Any], sets: Sets) -> None:
    (axes,) = panels
    for name, shares in zip(sets, stratified_concavity(sets.values()), strict=True):
        _logarithmic_step(axes, 100 * shares, 1 / bins.NUM_CONCAVITY_BINS, name)
    axes.set(xlabel="concavity 1 - mask / convex hull", ylabel="masks of like size (%)")
    axes.set(xlim=(0, 1))
    axes.grid()
    axes.legend()


def _draw_centres(panels: Sequence[Any], sets: Sets) -> None:
    for axes, (name, one) in zip(panels, sets.items(), strict=False):
        axes.imshow(_coarse(one.centres), cmap="viridis", vmin=0, interpolation="nearest")
        axes.set_title(name)
        axes.set_xticks([])
        axes.set_yticks([])


def _draw_scores(panels: Sequence[Any], sets: Sets) -> None:
    for axes, title, field, threshold in (
        (panels[0], "predicted IoU", "predicted_ious", PREDICTED_IOU_THRESHOLD),
        (panels[1], "stability", "stability_scores", STABILITY_THRESHOLD),
    ):
        lowest = 1.0
        for name, one in sets.items():
            counts = getattr(one, field)
            if counts.any():
                joined, number = _joined(counts)
                _step(axes, _percent(joined), number * bins.SCORE_STEP, name)
                lowest = min(lowest, float(np.flatnonzero(counts)[0]) * bins.SCORE_STEP)
        axes.axvline(threshold, color=_PUBLISHED, linestyle=":", label="SA-1B keeps from here")
        axes.set(xlabel=title, ylabel="masks (%)", xlim=(min(lowest, threshold) - 0.02, 1.05))
        axes.grid()
    panels[0].legend(fontsize="small")


def _draw_crops(panels: Sequence[Any], sets: Sets) -> None:
    (axes,) = panels
    shown = {name: one for name, one in sets.items() if one.crop_layers.any()}
    num_layers = 1 + max(int(np.flatnonzero(one.crop_layers)[-1]) for one in shown.values())
    width = 0.8 / len(shown)
    for k, (name, one) in enumerate(shown.items()):
        places = np.arange(num_layers) + (k - (len(shown) - 1) / 2) * width
        colour = _COLOURS[list(sets).index(name) % len(_COLOURS)]
        shares = _percent(one.crop_layers)[:num_layers]
        axes.bar(places, shares, width * 0.92, label=name, color=colour)
    sides = [2**layer for layer in range(num_layers)]
    names = ["whole image", *(f"{side} x {side} crops" for side in sides[1:])]
    axes.set_xticks(range(num_layers), names)
    axes.set(ylabel="masks (%)")
    axes.margins(y=0.3)
    axes.grid(axis="y")
    axes.set_axisbelow(True)
    axes.legend()


def _draw_images(panels: Sequence[Any], sets: Sets) -> None:
    for name, one in sets.items():
        _step(panels[0], _percent(one.shortest_sides), bins.SIDE_STEP_PX, name)
        start = -bins.ASPECT_STEP * bins.NUM_ASPECT_BINS / 2
        _step(panels[1], _percent(one.aspect_ratios), bins.ASPECT_STEP, name, start=start)
    last = max(
        (int(np.flatnonzero(s.shortest_sides)[-1]) for s in sets.values() if s.num_images),
        default=0,
    )
    right = max((last + 2) * bins.SIDE_STEP_PX, RELEASED_SHORTEST_SIDE_PX + bins.SIDE_STEP_PX)
    panels[0].axvline(
        RELEASED_SHORTEST_SIDE_PX, color=_PUBLISHED, linestyle=":", label="SA-1B as released"
    )
    panels[0].set(xlabel="shortest side (pixels)", ylabel="images (%)", xlim=(0, right))
    ratios = (1 / 4, 1 / 2, 2 / 3, 1, 3 / 2, 2, 4)
    names = ("1:4", "1:2", "2:3", "1:1", "3:2", "2:1", "4:1")
    panels[1].set_xticks(np.log2(ratios), names)
    panels[1].set(xlabel="width : height", ylabel="images (%)")
    for axes in panels:
        axes.grid()
    panels[0].legend(fontsize="small")


def _coarse(cells: NDArray[np.int64]) -> NDArray[np.int64]:
    """The heat map with cells joined until they have some masks each: single ones are noise."""
    side = len(cells)
    while side > 8 and cells.sum() < _MASKS_A_CELL * side**2:
        side //= 2
        cells = cells.reshape(side, 2, side, 2).sum(axis=(1, 3))
    return cells


def _percent(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    shares: NDArray[np.float64] = 100 * counts / max(1, counts.sum())
    return shares


def _step(
    axes: Any, shares: NDArray[np.float64], step: float, name: str, *, start: float = 0.0
) -> None:
    """A histogram as a line."""
    edges = start + step * np.arange(len(shares) + 1)
    axes.stairs(shares, edges, label=name, linewidth=1.7)


def _logarithmic_step(axes: Any, shares: NDArray[np.float64], step: float, name: str) -> None:
    """A histogram as a line with gaps where nothing is: that has no logarithm."""
    edges = step * np.arange(len(shares) + 1)
    shown = np.where(shares > 0, shares, np.nan)
    axes.stairs(shown, edges, baseline=None, label=name, linewidth=1.7)
    if np.isfinite(axes.dataLim.get_points()).all():
        axes.set_yscale("log")


def _joined(counts: NDArray[np.int64]) -> tuple[NDArray[np.int64], int]:
    """A histogram of scores with bins joined until they are not mostly noise, and how many."""
    number = 1
    while number < 8 and counts.sum() < _MASKS_A_BIN * np.count_nonzero(counts):
        counts, number = counts.reshape(-1, 2).sum(axis=1), 2 * number
    return counts, number


_MASKS_PER_IMAGE = Figure(
    name="masks_per_image",
    title="Masks in an image",
    caption="Share of the images with so many masks, in the bins of the paper's Fig. 6.",
    num_panels=1,
    draw=_draw_masks_per_image,
)
_MEANS = Figure(
    name="mean_masks",
    title="Masks an image, beside published sets",
    caption="Grey: masks divided by images of the legend of the paper's Fig. 6, which rounds. The "
    "paper draws no more of these sets in numbers; curves of a set come from its files.",
    num_panels=1,
    draw=_draw_means,
)
_SIZES = Figure(
    name="relative_size",
    title="Relative size of masks",
    caption="Square root of mask area divided by image area: the side of a square of that area, in "
    "sides of the image.",
    num_panels=1,
    draw=_draw_sizes,
)
_CONCAVITY = Figure(
    name="concavity",
    title="Concavity of masks",
    caption="1 - area of the mask / area of its convex hull: 0 for a box, near 1 for threads and "
    "rings. It depends on size, so all sizes of masks weigh alike here (the paper's stratified "
    "sampling): sizes doubling from 1/64 to 1, where every set has 30 masks or more.",
    num_panels=1,
    draw=_draw_concavity,
)
_SCORES = Figure(
    name="scores",
    title="Predicted IoU and stability",
    caption="The generating model's own estimate of a mask's quality, and how little the mask "
    "changes between a higher and a lower threshold. Dotted: below it SA-1B has no masks; another "
    "model's scores are another scale.",
    num_panels=2,
    draw=_draw_scores,
)
_CROPS = Figure(
    name="crop_layers",
    title="Where masks were found",
    caption="In the whole image, or in one of the overlapping crops, looked at from closer by.",
    num_panels=1,
    draw=_draw_crops,
)
_IMAGES = Figure(
    name="images",
    title="Images",
    caption="Shortest sides, and shapes from upright to wide.",
    num_panels=2,
    draw=_draw_images,
)


def _centres(num_panels: int) -> Figure:
    return Figure(
        name="centres",
        title="Where masks lie",
        caption="Centres of the masks (mean of their pixels) over the image, all images scaled to "
        "one square; the brightest cell has the most.",
        num_panels=num_panels,
        draw=_draw_centres,
    )
