"""A rating study's outcome as files: JSON, a page and a plot, beside the paper's numbers."""

from pathlib import Path

import numpy as np

from anymask.core.files import write_bytes, write_json
from anymask.engine.quality.pages import new_figure, report_page, to_png
from anymask.engine.quality.rating_figures import (
    PAPER_MEANS,
    PAPER_RATER_SD,
    PAPER_SECONDS,
    RatingFigures,
)
from anymask.engine.store.ratings import HIGHEST, LOWEST


def write_rating_report(figures: RatingFigures, folder: Path, title: str) -> Path:
    """Write rating.json, rating.png and rating.html into a folder, return the page's path.

    Raises:
        MissingExtraError: matplotlib is not installed.
        OutputError: the folder cannot be written.
    """
    plot = plot_ratings(figures)
    page = report_page(
        title=title,
        summary=_summary(figures),
        plot=plot,
        plot_text="Mean rating of each source, and how often it got each rating; tables follow.",
        tables=[_source_table(figures), _pair_table(figures)],
        notes="Sources: 95 % interval. Differences: on objects that both sources have, 99 % "
        "interval of a paired bootstrap of 10,000 samples; images are resampled. p: paired t-test. "
        "Published means are of other masks, rated by other people.",
    )
    write_json(folder / "rating.json", figures.to_json())
    write_bytes(folder / "rating.png", plot)
    write_bytes(folder / "rating.html", page.encode())
    return folder / "rating.html"


def plot_ratings(figures: RatingFigures) -> bytes:
    """Return a PNG: the means with their intervals, and the ratings' distribution."""
    figure = new_figure(9, 3.4)
    means, shares = figure.subplots(1, 2)
    for place, (name, source) in enumerate(figures.sources.items()):
        mean = source.mean
        ends = [[max(mean.value - mean.low, 0)], [max(mean.high - mean.value, 0)]]
        means.errorbar([mean.value], [place], xerr=ends, fmt="o", capsize=4)
        total = sum(source.histogram)
        levels = np.arange(LOWEST, HIGHEST + 1)
        shares.plot(levels, 100 * np.array(source.histogram) / total, marker="o", label=name)
    means.set_yticks(range(len(figures.sources)), list(figures.sources))
    means.set(xlabel="mean rating", xlim=(LOWEST, HIGHEST), ylim=(len(figures.sources) - 0.5, -0.5))
    shares.set(xlabel="rating", ylabel="ratings, %", xticks=range(LOWEST, HIGHEST + 1))
    if figures.sources:
        shares.legend(frameon=False, fontsize="small")
    for axes in (means, shares):
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    return to_png(figure)


def _summary(figures: RatingFigures) -> str:
    seconds = "" if figures.seconds is None else f", {figures.seconds:.0f} s each on average"
    spread = (
        "No mask was rated by several people"
        if figures.rater_sd is None
        else f"Ratings of one mask had a mean SD of {figures.rater_sd:.2f}"
    )
    return (
        f"{figures.ratings} ratings by {figures.raters} people{seconds} (published: "
        f"{PAPER_SECONDS:.0f} s). {spread} (published: {PAPER_RATER_SD})."
    )


def _source_table(figures: RatingFigures) -> list[list[str]]:
    return [
        ["source", "masks", "mean rating"],
        *(
            [
                name,
                str(source.masks),
                f"{source.mean.value:.2f} [{source.mean.low:.2f}, {source.mean.high:.2f}]",
            ]
            for name, source in figures.sources.items()
        ),
        *([f"{name}, as published", "", f"{mean}"] for name, mean in PAPER_MEANS.items()),
    ]


def _pair_table(figures: RatingFigures) -> list[list[str]]:
    return [
        ["difference", "pairs", "mean [99 %]", "p"],
        *(
            [
                f"{pair.first} - {pair.second}",
                str(pair.masks),
                f"{pair.difference.value:+.2f} "
                f"[{pair.difference.low:+.2f}, {pair.difference.high:+.2f}]",
                "" if pair.p_value is None else f"{pair.p_value:.2g}",
            ]
            for pair in figures.pairs
        ),
    ]
