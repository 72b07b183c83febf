"""An engine's rounds as one page that needs no other file: plots, a table, and what they mean."""

import base64
import html
from collections.abc import Sequence

from anymask import __version__
from anymask.engine.round_plots import plot_rounds
from anymask.engine.status import EngineStatus, RoundSummary

REPORT_FILE = "report.html"
PLOT_FILE = "rounds.png"

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_STYLE = """
:root { color-scheme: light dark; }
body { margin: 0; font: 15px/1.5 system-ui, sans-serif; background: light-dark(#f4f5f7, #14161a);
  color: light-dark(#1a1d23, #e8eaee); }
main { max-width: 1060px; margin: 0 auto; padding: 28px 20px 50px; }
section { background: light-dark(#fff, #1d2026); border: 1px solid light-dark(#dfe2e8, #333842);
  border-radius: 12px; padding: 14px 18px; margin: 16px 0; overflow-x: auto; }
h1 { font-size: 25px; margin: 0; }
h2 { font-size: 17px; margin: 0 0 8px; }
p { margin: 4px 0; }
th { vertical-align: bottom; }
.soft { color: light-dark(#565d6b, #a2a9b6); }
img { display: block; width: 100%; height: auto; border-radius: 6px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums;
  font-size: 14px; }
th, td { padding: 5px 12px 5px 0; text-align: right;
  border-bottom: 1px solid light-dark(#dfe2e8, #333842); }
td { white-space: nowrap; }
th:nth-child(2), td:nth-child(2), th:last-child, td:last-child { text-align: left; }
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
    picture = base64.b64encode(plot_rounds([status.rounds])).decode()
    name = html.escape(title)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<title>Data engine {name}</title>
<style>{_STYLE}</style>
</head>
<body>
<main>
<h1>Data engine {name}</h1>
<p class="soft">{html.escape(_where(status))}</p>
<section>
<h2>Round by round</h2>
<img alt="Seconds and clicks a mask, masks an image, and held-out mean IoU by round; the table
below has the numbers." src="data:image/png;base64,{picture}">
<p class="soft">Seconds and clicks are of masks that people made, without idle time. Hollow points
are models that were refused, as they were worse than the one before.</p>
</section>
<section>
<h2>The same in numbers</h2>
{_table(status.rounds)}
</section>
<p class="soft">The held-out mIoU is the mean of a box, one click and three clicks, over masks that
no round had; intervals resample photos, and that of a change compares both models mask by mask.
anymask {__version__}</p>
</main>
</body>
</html>
"""


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
