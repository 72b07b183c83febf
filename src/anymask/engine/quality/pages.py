"""A report as one page that needs no other file, and its plot as PNG."""

import html
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from anymask import __version__
from anymask.core.errors import MissingExtraError
from anymask.core.html_page import data_url, html_page

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_STYLE = "main { max-width: 860px; } section > img { width: 100%; }"

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
    picture = f'<img alt="{html.escape(plot_text)}" src="{data_url(plot, "image/png")}">'
    sections = "\n".join(f"<section>{_table(table)}</section>" for table in tables)
    body = f"""<p>{html.escape(summary)}</p>
<section>{picture}</section>
{sections}
<footer>{html.escape(notes)} anymask {__version__}</footer>"""
    return html_page(title, body, _STYLE)


def _table(table: Table) -> str:
    head, *body = (
        "".join(f"<{tag}>{html.escape(cell)}</{tag}>" for cell in line)
        for line, tag in zip(table, ["th", *["td"] * (len(table) - 1)], strict=True)
    )
    rows = "\n".join(f"<tr>{line}</tr>" for line in body)
    return f"<table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}\n</tbody>\n</table>"
