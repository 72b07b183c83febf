"""A data set's statistics as one HTML page that needs no other file, light or dark."""

import html
import math
from collections.abc import Sequence
from importlib.metadata import version

from anymask.core.html_page import data_url, html_page
from anymask.dataset import statistics as bins
from anymask.dataset.paper_figures import MASKS_PER_IMAGE_BINS
from anymask.dataset.statistics import DatasetStatistics, median_of
from anymask.dataset.statistics_plots import DARK, LIGHT, Figure, Sets, draw_figure, figures_of

_UNKNOWN = "not recorded"
_STYLE = """
main { max-width: 1180px; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(140px, 1fr)); gap: 12px;
  margin: 22px 0; padding: 0; }
.facts div { background: var(--surface); border: 1px solid var(--line); border-radius: 12px;
  padding: 14px 18px; }
.facts dt { color: var(--soft); font-size: 13px; }
.facts dd { margin: 0; font-size: 21px; font-weight: 600; font-variant-numeric: tabular-nums; }
.figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(520px, 100%), 1fr));
  gap: 16px; }
.wide { grid-column: 1 / -1; }
figure img { width: 100%; max-width: 900px; margin: 0 auto 8px; }
figcaption { font-size: 13.5px; }
.figures section { margin: 0; }
"""


def write_page(sets: Sets, *, problems: Sequence[str] = ()) -> str:
    """Return the page; it holds its pictures, and runs no scripts.

    Args:
        sets: statistics by name, ours first.
        problems: a line for each image or archive that could not be counted.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    name, ours = next(iter(sets.items()))
    figures = "\n".join(_figure(figure, sets) for figure in figures_of(sets))
    body = f"""<p class="soft">What its masks are like{_beside(sets)}.</p>
{_facts(ours)}
{_problems(problems)}
<div class="figures">
{figures}
</div>
<section>
<h2>The same in numbers</h2>
{_table(sets)}
</section>
<footer>Counted by anymask {version("anymask")}. Definitions: Segment Anything
(arXiv 2304.02643), Sec. 5 and Fig. 6.</footer>"""
    return html_page(f"Statistics of {name}", body, _STYLE)


def _beside(sets: Sets) -> str:
    others = [html.escape(name) for name in list(sets)[1:]]
    return f", beside {' and '.join(others)}" if others else ""


def _facts(ours: DatasetStatistics) -> str:
    facts = {
        "images": f"{ours.num_images:,}",
        "masks": f"{ours.num_masks:,}",
        "masks an image": _number(ours.mean_masks_per_image, ".1f"),
        "median relative size": _number(ours.median_relative_size, ".3f"),
        "median predicted IoU": _number(median_of(ours.predicted_ious, bins.SCORE_STEP), ".3f"),
        "median stability": _number(median_of(ours.stability_scores, bins.SCORE_STEP), ".3f"),
    }
    rows = "".join(
        f"<div><dt>{name}</dt><dd>{value}</dd></div>"
        for name, value in facts.items()
        if value != _UNKNOWN
    )
    return f'<dl class="facts">{rows}</dl>'


def _problems(problems: Sequence[str]) -> str:
    if not problems:
        return ""
    shown = "".join(f"<li>{html.escape(problem)}</li>" for problem in problems[:20])
    more = f"<p>and {len(problems) - 20} more</p>" if len(problems) > 20 else ""
    return f"<section><h2>Not counted: {len(problems)}</h2><ul>{shown}</ul>{more}</section>"


def _figure(figure: Figure, sets: Sets) -> str:
    light, dark = (
        data_url(draw_figure(figure, sets, theme=theme), "image/svg+xml") for theme in (LIGHT, DARK)
    )
    wide = ' class="wide"' if figure.num_panels > 1 else ""
    return f"""<section{wide}>
<figure>
<h2>{figure.title}</h2>
<picture>
<source media="(prefers-color-scheme: dark)" srcset="{dark}">
<img src="{light}" alt="{figure.title}; the numbers are in the table below">
</picture>
<figcaption>{figure.caption}</figcaption>
</figure>
</section>"""


def _table(sets: Sets) -> str:
    rows: list[tuple[str, list[str]]] = [
        ("images", [f"{one.num_images:,}" for one in sets.values()]),
        ("masks", [f"{one.num_masks:,}" for one in sets.values()]),
        ("masks an image, mean", [_number(o.mean_masks_per_image, ".1f") for o in sets.values()]),
    ]
    for label, low, high in MASKS_PER_IMAGE_BINS:
        shares = [_number(one.share_of_images(low, high), ".1%") for one in sets.values()]
        rows.append((f"images with {label} masks", shares))
    rows.append(
        ("relative size, median", [_number(o.median_relative_size, ".3f") for o in sets.values()])
    )
    for i, label in enumerate(("small (< 32² px)", "medium", "large (≥ 96² px)")):
        shares = [_share(one.areas_px[i], one.num_masks) for one in sets.values()]
        rows.append((f"masks that are {label}", shares))
    for label, field in (("predicted IoU", "predicted_ious"), ("stability", "stability_scores")):
        medians = [median_of(getattr(one, field), bins.SCORE_STEP) for one in sets.values()]
        rows.append((f"{label}, median", [_number(value, ".3f") for value in medians]))
    for layer in range(bins.NUM_CROP_LAYERS):
        if any(one.crop_layers[layer] for one in sets.values()):
            label = "the whole image" if layer == 0 else f"{2**layer} x {2**layer} crops"
            shares = [_share(o.crop_layers[layer], o.crop_layers.sum()) for o in sets.values()]
            rows.append((f"masks found in {label}", shares))
    head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in sets)
    body = "".join(
        f'<tr><th scope="row">{label}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'
        for label, cells in rows
    )
    return f"<table><thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table>"


def _share(part: float, whole: float) -> str:
    return _number(part / whole if whole else math.nan, ".1%")


def _number(value: float, form: str) -> str:
    return format(value, form) if math.isfinite(value) else _UNKNOWN
