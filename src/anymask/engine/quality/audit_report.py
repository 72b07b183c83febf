"""An audit's outcome as files: JSON, a page and a plot, beside the paper's numbers."""

from pathlib import Path

import numpy as np

from anymask.core.files import write_bytes, write_json
from anymask.engine.quality.audit_figures import (
    NUM_BINS,
    PAPER_AGREEMENT,
    PAPER_SHARES,
    AuditFigures,
    Estimate,
    IouFigures,
)
from anymask.engine.quality.pages import new_figure, report_page, to_png


def write_audit_report(figures: AuditFigures, folder: Path, title: str) -> Path:
    """Write audit.json, audit.png and audit.html into a folder, return the page's path.

    Raises:
        MissingExtraError: matplotlib is not installed.
        OutputError: the folder cannot be written.
    """
    plot = plot_ious(figures)
    low, high = (f"{100 * end:.0f}" for end in PAPER_AGREEMENT)
    page = report_page(
        title=title,
        summary=_summary(figures),
        plot=plot,
        plot_text="Masks by their IoU with what people made of them; the table has the shares.",
        tables=[_table(figures)],
        notes="IoU of each mask with its correction; a deleted mask counts 0. Brackets: 95 % "
        f"interval, images resampled. In earlier work two people's masks agreed to {low}-{high} %.",
    )
    write_json(folder / "audit.json", figures.to_json())
    write_bytes(folder / "audit.png", plot)
    write_bytes(folder / "audit.html", page.encode())
    return folder / "audit.html"


def plot_ious(figures: AuditFigures) -> bytes:
    """Return a PNG: the histogram of IoU, and the shares above 0.75 and 0.90 beside the paper's."""
    figure = new_figure(9, 3.4)
    bars, shares = figure.subplots(1, 2, width_ratios=[2, 1])
    total = max(sum(figures.histogram), 1)
    left = np.arange(NUM_BINS) / NUM_BINS
    bars.bar(left, [100 * count / total for count in figures.histogram], 1 / NUM_BINS, align="edge")
    bars.set(xlabel="IoU with the corrected mask", ylabel="masks, %", xlim=(0, 1))
    found = figures.all
    levels = sorted(PAPER_SHARES)
    if found is not None:
        ours = [found.above_75, found.above_90]
        whiskers = np.abs([[one.value - one.low, one.high - one.value] for one in ours]).T
        heights = [100 * one.value for one in ours]
        places = np.arange(2) - 0.2
        shares.bar(places, heights, 0.4, yerr=100 * whiskers, capsize=3, label="this set")
    paper = [100 * PAPER_SHARES[level] for level in levels]
    shares.bar(np.arange(2) + 0.2, paper, 0.4, color="0.7", label="SA-1B, as published")
    shares.set_xticks(range(2), [f"IoU > {level:.2f}" for level in levels])
    shares.set(ylabel="masks, %", ylim=(0, 130), yticks=range(0, 101, 20))
    shares.legend(frameon=False, fontsize="small", loc="upper center")
    for axes in (bars, shares):
        axes.spines[["top", "right"]].set_visible(False)
    return to_png(figure)


def _summary(figures: AuditFigures) -> str:
    return (
        f"{figures.images} images were handed in. Of their masks {figures.kept} were left as they "
        f"were, {figures.changed} changed and {figures.deleted} deleted; {figures.added} objects "
        "had no mask and got one."
    )


def _table(figures: AuditFigures) -> list[list[str]]:
    groups = {"all": figures.all, "all but deleted": figures.remaining, **figures.by_size}
    return [
        ["masks", "number", "deleted", "mean IoU", "IoU > 0.90, %", "IoU > 0.75, %"],
        *([name, *_cells(group)] for name, group in groups.items() if group is not None),
        ["SA-1B, as published", "about 50,000", "", "", "94", "97"],
    ]


def _cells(group: IouFigures) -> list[str]:
    mean = group.mean
    return [
        f"{group.masks:,}",
        str(group.deleted),
        f"{mean.value:.3f} [{mean.low:.3f}, {mean.high:.3f}]",
        _percent(group.above_90),
        _percent(group.above_75),
    ]


def _percent(share: Estimate) -> str:
    return f"{100 * share.value:.1f} [{100 * share.low:.1f}, {100 * share.high:.1f}]"
