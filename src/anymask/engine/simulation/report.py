"""The page of a simulation: claims, plots over rounds with intervals over seeds, tables; and JSON.

The page is one file that holds its plots; the plots are also there as PNG files.
"""

import dataclasses
import html
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from anymask.core.errors import MissingExtraError
from anymask.core.files import write_bytes, write_json
from anymask.core.html_page import data_url, html_page
from anymask.engine.simulation.results import (
    Claim,
    Estimate,
    RoundResult,
    SeedResult,
    claims,
    estimate,
    scores_json,
)
from anymask.engine.simulation.self_training import SelfTrainingRound

_Value = Callable[[RoundResult], float | None]

_STYLE = """
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(420px, 100%), 1fr));
  gap: 12px; }
.holds { color: light-dark(#17663a, #6fd39a); } .fails { color: light-dark(#9a2a1f, #ff9a8d); }
"""


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Panel:
    """A plot: a figure of each round, one or several lines."""

    title: str
    unit: str
    lines: tuple[tuple[str, _Value], ...]


_PANELS = (
    _Panel(
        title="Seconds per mask",
        unit="s",
        lines=(
            ("the round's photos", lambda r: r.seconds_per_mask),
            ("the same photos each round", lambda r: r.measures.seconds_per_mask),
        ),
    ),
    _Panel(
        title="Clicks per mask",
        unit="clicks",
        lines=(
            ("the round's photos", lambda r: r.clicks_per_mask),
            ("the same photos each round", lambda r: r.measures.clicks_per_mask),
        ),
    ),
    _Panel(
        title="Masks per image",
        unit="masks",
        lines=(("the round's photos", lambda r: r.masks_per_image),),
    ),
    _Panel(
        title="Model on held-out photos",
        unit="mean IoU",
        lines=(
            ("mean of three prompts", lambda r: r.score),
            ("box", lambda r: r.score_by_prompt["box"]),
            ("1 click", lambda r: r.score_by_prompt["1 click"]),
            ("3 clicks", lambda r: r.score_by_prompt["3 clicks"]),
        ),
    ),
    _Panel(
        title="Precision of automatic masks, by filter",
        unit="share right, at least",
        lines=(
            ("none", lambda r: r.measures.automatic["none"].precision),
            ("confidence", lambda r: r.measures.automatic["confidence"].precision),
            ("stability", lambda r: r.measures.automatic["stability"].precision),
            ("both", lambda r: r.measures.automatic["both"].precision),
        ),
    ),
    _Panel(
        title="Precision of masks before people came",
        unit="share right, at least",
        lines=(("pre-filled", lambda r: r.prefill_precision),),
    ),
)


def write_report(
    seeds: Sequence[SeedResult],
    out: Path,
    facts: dict[str, str],
    alone: Sequence[Sequence[SelfTrainingRound]] = (),
) -> Path:
    """Write report.html, results.json and a PNG a plot into `out`; return the page.

    Args:
        seeds: of one simulation.
        out: the folder.
        facts: what was run, by name.
        alone: rounds without people, with filters and without.

    Raises:
        MissingExtraError: matplotlib is not installed.
        OutputError: no room.
    """
    found = claims(seeds)
    plots = [(panel, _plot(panel, seeds)) for panel in _PANELS]
    for number, (_, png) in enumerate(plots, 1):
        write_bytes(out / f"plot-{number}.png", png)
    write_json(out / "results.json", _json(seeds, found, facts, alone))
    page = out / "report.html"
    write_bytes(page, _page(seeds, found, plots, facts, alone).encode())
    return page


def _plot(panel: _Panel, seeds: Sequence[SeedResult]) -> bytes:
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError("matplotlib", "eval") from None
    figure = Figure(figsize=(6.4, 4), layout="constrained")
    axes = figure.add_subplot()
    for i, (label, value) in enumerate(panel.lines):
        numbers, estimates = _over_rounds(seeds, value)
        if not numbers:
            continue
        axes.plot(numbers, [e.mean for e in estimates], marker="o", color=f"C{i}", label=label)
        if len(seeds) > 1:
            low, high = [e.low or 0.0 for e in estimates], [e.high or 0.0 for e in estimates]
            axes.fill_between(numbers, low, high, color=f"C{i}", alpha=0.15, linewidth=0)
    for boundary in _stage_starts(seeds[0]):
        axes.axvline(boundary - 0.5, color="grey", linewidth=0.8, linestyle=":")
    axes.set(title=panel.title, xlabel="round", ylabel=panel.unit)
    axes.set_ylim(bottom=0)
    axes.set_xticks([r.number for r in seeds[0].rounds])
    axes.grid(alpha=0.3)
    if axes.get_legend_handles_labels()[1]:
        axes.legend(fontsize="small")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=130)
    return buffer.getvalue()


def _over_rounds(seeds: Sequence[SeedResult], value: _Value) -> tuple[list[int], list[Estimate]]:
    """The rounds in which every seed has that figure, and its estimate in each."""
    numbers, estimates = [], []
    for rounds in zip(*(seed.rounds for seed in seeds), strict=False):
        values = [found for r in rounds if (found := value(r)) is not None]
        if len(values) == len(seeds):
            numbers.append(rounds[0].number)
            estimates.append(estimate(values))
    return numbers, estimates


def _stage_starts(seed: SeedResult) -> list[int]:
    """The first rounds of the second stage and of those after it."""
    pairs = zip(seed.rounds[1:], seed.rounds[2:], strict=False)
    return [after.number for before, after in pairs if before.stage != after.stage]


def _page(
    seeds: Sequence[SeedResult],
    found: Sequence[Claim],
    plots: Sequence[tuple[_Panel, bytes]],
    facts: dict[str, str],
    alone: Sequence[Sequence[SelfTrainingRound]],
) -> str:
    images = "".join(
        f'<img alt="{html.escape(panel.title)}, by round" src="{data_url(png, "image/png")}">'
        for panel, png in plots
    )
    rows = "".join(
        f"<tr><td>{html.escape(k)}</td><td>{html.escape(v)}</td></tr>" for k, v in facts.items()
    )
    seeds_text = f"{len(seeds)} seed{'s' if len(seeds) > 1 else ''}"
    body = f"""<p class="soft">The data engine with simulated people. Bands and brackets: 95 %
intervals over {seeds_text} (Student's t). Dotted lines: stages.</p>
<section><h2>Claims</h2>{_claims_table(found)}</section>
<section><h2>By round</h2><div class="plots">{images}</div></section>
<section><h2>The same in numbers</h2>{_rounds_table(seeds)}</section>
<section><h2>Before and after, on unseen sets</h2>{_unseen_table(seeds)}</section>
{_alone_table(alone)}
<section><h2>What was run</h2><table>{rows}</table></section>"""
    return html_page("Does the loop close?", body, _STYLE)


def _claims_table(found: Sequence[Claim]) -> str:
    rows = "".join(
        f"<tr><td>{html.escape(claim.text)}</td><td>{claim.bar:g}</td>"
        f"<td>{_text(claim.estimate, 1)} {html.escape(claim.unit)}</td>"
        f'<td class="{"holds" if claim.holds else "fails"}">'
        f"{claim.verdict}</td></tr>"
        for claim in found
    )
    return (
        f"<table><tr><th>claim</th><th>bar</th><th>measured</th><th>verdict</th></tr>{rows}</table>"
    )


def _rounds_table(seeds: Sequence[SeedResult]) -> str:
    columns: tuple[tuple[str, _Value, int], ...] = (
        ("s a mask", lambda r: r.seconds_per_mask, 1),
        ("clicks", lambda r: r.clicks_per_mask, 2),
        ("brushed", lambda r: r.brushed_share, 2),
        ("masks an image", lambda r: r.masks_per_image, 1),
        ("s a mask, same photos", lambda r: r.measures.seconds_per_mask, 1),
        ("mean IoU held out", lambda r: r.score, 3),
        ("automatic masks, filtered: right", lambda r: r.measures.automatic["both"].precision, 2),
        ("pre-filled: right", lambda r: r.prefill_precision, 2),
        ("promoted", lambda r: None if r.is_promoted is None else float(r.is_promoted), 2),
    )
    head = "".join(f"<th>{name}</th>" for name, *_ in columns)
    body = ""
    # A seed whose automatic stage found too little has no last training.
    shortest = min((seed.rounds for seed in seeds), key=len)
    for number, of_first in enumerate(shortest):
        cells = ""
        for _, value, digits in columns:
            values = [found for s in seeds if (found := value(s.rounds[number])) is not None]
            cells += f"<td>{_text(estimate(values), digits) if values else ''}</td>"
        body += f"<tr><td>{of_first.number}, {of_first.stage}</td>{cells}</tr>"
    return f"<table><tr><th>round</th>{head}</tr>{body}</table>"


def _unseen_table(seeds: Sequence[SeedResult]) -> str:
    rows = ""
    for seed in seeds:
        for name in ("before", "after", "control"):
            scores = getattr(seed, name)
            if scores is not None:
                low, high = scores.interval()
                prompts = "".join(f"<td>{v:.3f}</td>" for v in scores.by_prompt().values())
                rows += (
                    f"<tr><td>seed {seed.seed}, {_MODELS[name]}</td><td>{scores.mean:.3f} "
                    f"[{low:.3f}, {high:.3f}]</td>{prompts}</tr>"
                )
    if not rows:
        return "<p>No evaluation sets were given.</p>"
    return (
        "<table><tr><th>model</th><th>mean IoU [95 %, images resampled]</th><th>box</th>"
        f"<th>1 click</th><th>3 clicks</th></tr>{rows}</table>"
    )


_MODELS = {
    "before": "before the loop",
    "after": "after the loop",
    "control": "as much training on the first data only",
}


def _alone_table(alone: Sequence[Sequence[SelfTrainingRound]]) -> str:
    if not alone:
        return ""
    rows = "".join(
        f"<tr><td>{'filtered' if r.is_filtered else 'unfiltered'}, round {r.number}</td>"
        f"<td>{r.score:.3f}</td><td>{r.masks}</td>"
        f"<td>{'' if r.precision is None else f'{r.precision:.2f}'}</td></tr>"
        for rounds in alone
        for r in rounds
    )
    return (
        "<section><h2>Without people: the model's own masks as labels</h2><table><tr><th>masks</th>"
        "<th>mean IoU held out</th><th>learned from</th><th>right</th></tr>"
        f"{rows}</table></section>"
    )


def _text(value: Estimate, digits: int) -> str:
    if value.low is None or value.high is None:
        return f"{value.mean:.{digits}f}"
    return f"{value.mean:.{digits}f} [{value.low:.{digits}f}, {value.high:.{digits}f}]"


def _json(
    seeds: Sequence[SeedResult],
    found: Sequence[Claim],
    facts: dict[str, str],
    alone: Sequence[Sequence[SelfTrainingRound]],
) -> dict[str, Any]:
    return {
        "facts": facts,
        "self_training": [[dataclasses.asdict(r) for r in rounds] for rounds in alone],
        "claims": [{**dataclasses.asdict(c), "verdict": c.verdict} for c in found],
        "seeds": [
            {
                "seed": seed.seed,
                "rounds": [dataclasses.asdict(r) for r in seed.rounds],
                "unseen": {name: scores_json(getattr(seed, name)) for name in _MODELS},
                "automatic": {"images": seed.automatic_images, "masks": seed.automatic_masks},
                "step_seconds": dict(seed.step_seconds),
            }
            for seed in seeds
        ],
    }
