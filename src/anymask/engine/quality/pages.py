"""A report as one page that needs no other file, and its plot as PNG."""

import base64
import html
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from anymask import __version__
from anymask.core.errors import MissingExtraError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_STYLE = """
:root { color-scheme: light dark; }
body { margin: 0; font: 15px/1.5 system-ui, sans-serif; background: light-dark(#f4f5f7, #14161a);
  color: light-dark(#1a1d23, #e8eaee); }
main { max-width: 860px; margin: 0 auto; padding: 28px 20px 50px; }
section { background: light-dark(#fff, #1d2026); border: 1px solid light-dark(#dfe2e8, #333842);
  border-radius: 12px; padding: 14px 18px; margin: 16px 0; overflow-x: auto; }
h1 { font-size: 25px; margin: 0; }
p { margin: 4px 0; }
.soft { color: light-dark(#565d6b, #a2a9b6); }
img { display: block; width: 100%; height: auto; border-radius: 6px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums;
  font-size: 14px; }
th, td { padding: 5px 12px 5px 0; text-align: right; border-bottom: 1px solid
  light-dark(#dfe2e8, #333842); }
th:first-child, td:first-child { text-align: left; }
"""

Table = Sequence[Sequence[str]]
"""Lines of cells; the first is the head."""


def new_figure(width: float, height: float) -> "Figure":
    """Return an empty figure, sizes in inches; MissingExtraError without matplotlib."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError("matplotlib", "eval") from None
    return Figure(figsize=(width, height), layout="constrained")


def to_png(figure: "Figure") -> bytes:
    """Return the figure as a PNG file."""
    output = io.BytesIO()
    figure.savefig(output, format="png", dpi=110)
    return output.getvalue()


def report_page(
    *, title: str, summary: str, plot: bytes, plot_text: str, tables: Sequence[Table], notes: str
) -> str:
    """Return the page; it holds its picture and runs no scripts.

    Args:
        title: of the page.
        summary: the outcome in a sentence or two.
        plot: PNG.
        plot_text: what the plot shows, for those who do not see it.
        tables: the same in numbers.
        notes: how to read them.
    """
    picture = base64.b64encode(plot).decode()
    sections = "\n".join(f"<section>{_table(table)}</section>" for table in tables)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<title>{html.escape(title)}</title>
<style>{_STYLE}</style>
</head>
<body>
<main>
<h1>{html.escape(title)}</h1>
<p>{html.escape(summary)}</p>
<section><img alt="{html.escape(plot_text)}" src="data:image/png;base64,{picture}"></section>
{sections}
<p class="soft">{html.escape(notes)} anymask {__version__}</p>
</main>
</body>
</html>
"""


def _table(table: Table) -> str:
    head, *body = (
        "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in line)
        for line, tag in zip(table, ["th", *["td"] * (len(table) - 1)], strict=True)
    )
    rows = "\n".join(f"<tr>{line}</tr>" for line in body)
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>"
