"""An engine's rounds as one page that needs no other file: plots, a table, and what they mean."""

import html
from collections.abc import Sequence

from anymask import __version__
from anymask.core.html_page import data_url, html_page
from anymask.engine.round_plots import plot_rounds
from anymask.engine.status import EngineStatus, RoundSummary

REPORT_FILE = "report.html"
PLOT_FILE = "rounds.png"

_STYLE = """
th { vertical-align: bottom; }
td { white-space: nowrap; }
th:nth-child(2), td:nth-child(2), th:last-child, td:last-child { text-align: left; }
table { font-size: 14px; }
"""
_COLUMNS = (
    "round",
    "stage",
    "images",
    "masks",
    "of them pre-filled",
    "masks an image",
    "seconds a mask",
    "clicks a mask",
    "held-out mIoU [95 %]",
    "change [95 %]",
    "model",
)


def write_report(status: EngineStatus, title: str) -> str:
    """Return the page; it holds its pictures and runs no scripts.

    Args:
        status: of the engine.
        title: of the page, such as the folder's name.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    picture = data_url(plot_rounds([status.rounds]), "image/png")
    body = f"""<p class="soft">{html.escape(_where(status))}</p>
<section>
<h2>Round by round</h2>
<img alt="Seconds and clicks a mask, masks an image, and held-out mean IoU by round; the table
below has the numbers." src="{picture}">
<p class="soft">Seconds and clicks are of masks that people made, without idle time. Hollow points
are models that were refused, as they were worse than the one before.</p>
</section>
<section>
<h2>The same in numbers</h2>
{_table(status.rounds)}
</section>
<footer>The held-out mIoU is the mean of a box, one click and three clicks, over masks that
no round had; intervals resample photos, and that of a change compares both models mask by mask.
anymask {__version__}</footer>"""
    return html_page(f"Data engine {title}", body, _STYLE)


def _where(status: EngineStatus) -> str:
    queue = status.queue
    waits = "" if queue is None else f" ({queue.waiting} images wait)"
    return (
        f"Round {status.round} of {status.num_rounds}, {status.stage}. "
        f"Next: {status.next_does}{waits}. Current model: {status.model_id or 'none yet'}."
    )


def _table(rounds: Sequence[RoundSummary]) -> str:
    head = "".join(f"<th>{name}</th>" for name in _COLUMNS)
    body = "\n".join(
        "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in _cells(row)) + "</tr>"
        for row in rounds
    )
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>"


def _cells(row: RoundSummary) -> list[str]:
    fate = {True: "promoted", False: "refused", None: ""}[row.is_promoted]
    images = row.images if row.photos_masked is None else row.photos_masked
    masks = row.masks if row.automatic_masks is None else row.automatic_masks
    return [
        str(row.round),
        "the beginning" if row.round == 0 else str(row.stage),
        _count(images),
        _count(masks),
        _count(row.prefilled),
        _number(row.masks_per_image, 1),
        _number(row.seconds_per_mask, 1),
        _number(row.clicks_per_mask, 1),
        _with_interval(row.score, row.score_low, row.score_high, sign=""),
        _with_interval(row.change, row.change_low, row.change_high, sign="+"),
        f"{row.model_id or ''} {fate}".strip(),
    ]


def _count(value: int | None) -> str:
    return "" if value is None else f"{value:,}"


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _with_interval(value: float | None, low: float | None, high: float | None, *, sign: str) -> str:
    if value is None or low is None or high is None:
        return ""
    return f"{value:{sign}.3f} [{low:{sign}.3f}, {high:{sign}.3f}]"
