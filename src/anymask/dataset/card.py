"""A data card in Markdown: a data set's facts by the questions that its users ask.

The questions follow datasheets for datasets and the card in App. F of the SA paper. What is counted
or reported is filled in; the rest are the answers of the people who release the set. A question
that nobody answered says "not recorded": nothing is made up.
"""

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from anymask.core.errors import InvalidInputError, UnknownNameError
from anymask.core.files import read_json
from anymask.dataset import statistics as bins
from anymask.dataset.manifest import Manifest
from anymask.dataset.paper_figures import MASKS_PER_IMAGE_BINS
from anymask.dataset.reports import PrivacyState, ValidationState
from anymask.dataset.statistics import DatasetStatistics, median_of

NOT_RECORDED = "not recorded"


@dataclass(frozen=True, kw_only=True)
class CardAnswers:
    """What only people know, each a sentence or more in Markdown; None is not recorded.

    Attributes:
        purpose: why the set was made.
        creators: who made it, on whose behalf.
        funding: who paid for it.
        photos_from: where the photographs are from, and when they were taken.
        photos_license: under which licence, and what photographers agreed to.
        consent: of people in the photographs.
        selection: how photographs were chosen, and what is under-represented.
        annotators: who drew or corrected masks, how they were instructed and paid.
        quality: what was checked by people, and with which outcome.
        suited_for: what the set is meant for.
        unsuited_for: what it should not be used for.
        license: of masks and set.
        where: it can be had.
        contact: whom to ask.
        removal: how a photograph is withdrawn.
        updates: what will change, and what becomes of older versions.
    """

    purpose: str | None = None
    creators: str | None = None
    funding: str | None = None
    photos_from: str | None = None
    photos_license: str | None = None
    consent: str | None = None
    selection: str | None = None
    annotators: str | None = None
    quality: str | None = None
    suited_for: str | None = None
    unsuited_for: str | None = None
    license: str | None = None
    where: str | None = None
    contact: str | None = None
    removal: str | None = None
    updates: str | None = None


@dataclass(frozen=True, kw_only=True)
class CardFacts:
    """All that a card is made of.

    Attributes:
        name: of the data set.
        statistics: counted over all of it.
        manifest: of its shards, if it has one.
        validation: if it was validated.
        privacy: if faces and plates were looked for.
        records: settings and results that programs left, by title: of the generator, of an audit,
            the lineage of the model; plain JSON data.
        answers: of people.
    """

    name: str
    statistics: DatasetStatistics
    manifest: Manifest | None = None
    validation: ValidationState | None = None
    privacy: PrivacyState | None = None
    records: Mapping[str, Any] = field(default_factory=dict)
    answers: CardAnswers = field(default_factory=CardAnswers)


def read_answers(path: str | Path) -> CardAnswers:
    """Return the answers in a JSON file: an object with any of the names of `CardAnswers`.

    Raises:
        UnknownNameError: another name; the text lists the known ones.
        InvalidInputError: the file is something else.
    """
    content = read_json(path)
    if not isinstance(content, dict):
        raise InvalidInputError(
            f"{path} must be a JSON object of answers, got {type(content).__name__}. "
            'Write {"license": "..."}.'
        )
    known = tuple(item.name for item in dataclasses.fields(CardAnswers))
    for name, answer in content.items():
        if name not in known:
            raise UnknownNameError("answer", name, known)
        if not isinstance(answer, str):
            raise InvalidInputError(f"{path}: {name} must be text, got {answer!r}. Quote it.")
    return CardAnswers(**content)


def write_card(facts: CardFacts) -> str:
    """Return the card."""
    parts = [f"# Data card: {facts.name}\n", _at_a_glance(facts)]
    for title, questions in _sections(facts).items():
        parts.append(f"## {title}\n")
        for question, answer in questions.items():
            parts.append(f"**{question}**\n{answer or 'Not recorded.'}\n")
    parts.append(f"---\nCounted and written by anymask {version('anymask')}.\n")
    return "\n".join(parts)


def _sections(facts: CardFacts) -> dict[str, dict[str, str | None]]:
    """All questions with their answers, if there are any."""
    one, told = facts.statistics, facts.answers
    return {
        "Motivation": {
            "Why was it made?": told.purpose,
            "Who made it, on whose behalf?": told.creators,
            "Who paid for it?": told.funding,
        },
        "Composition": {
            "What is in it?": _contents(one),
            "How many masks do images have?": _masks_per_image(one),
            "How large are images and masks?": _sizes(one),
            "How were photographs chosen, and what is missing?": told.selection,
        },
        "Photographs": {
            "Where are they from, and when were they taken?": told.photos_from,
            "Under which licence?": told.photos_license,
            "Did the people in them agree?": told.consent,
            "Were faces and licence plates concealed?": _privacy(facts.privacy),
        },
        "Masks": {
            "What made them, and how?": _makers(facts.records),
            "Did people draw or correct them?": told.annotators,
            "How sure is the generator?": _scores(one),
            "Was quality checked by people?": told.quality,
            "Is the form sound?": _validation(facts.validation),
        },
        "Uses": {
            "What is it meant for?": told.suited_for,
            "What should it not be used for?": told.unsuited_for,
        },
        "Distribution": {
            "Under which licence are masks and set?": told.license,
            "Where can it be had?": told.where,
            "How is a copy known to be whole?": _wholeness(facts.manifest),
        },
        "Maintenance": {
            "Whom to ask?": told.contact,
            "How is a photograph withdrawn?": told.removal,
            "What will change?": told.updates,
        },
    }


def _at_a_glance(facts: CardFacts) -> str:
    one = facts.statistics
    rows = {
        "images": f"{one.num_images:,}",
        "masks": f"{one.num_masks:,}",
        "masks an image": _number(one.mean_masks_per_image, ".1f"),
        "licence": facts.answers.license or NOT_RECORDED,
        "validated": _yes_or_no(facts.validation),
        "contact": facts.answers.contact or NOT_RECORDED,
    }
    return _table(("", ""), rows.items()) + "\n"


def _contents(one: DatasetStatistics) -> str:
    empty = one.masks_per_image[0]
    text = f"{one.num_images:,} photographs with {one.num_masks:,} masks"
    return f"{text}; {empty:,} photographs have none." if empty else f"{text}."


def _masks_per_image(one: DatasetStatistics) -> str:
    shares = [
        (label, _number(one.share_of_images(low, high), ".1%"))
        for label, low, high in MASKS_PER_IMAGE_BINS
    ]
    mean = _number(one.mean_masks_per_image, ".1f")
    return f"On average {mean}.\n\n{_table(('masks', 'images'), shares)}"


def _sizes(one: DatasetStatistics) -> str:
    if not one.num_masks:
        return ""
    side = median_of(one.shortest_sides, bins.SIDE_STEP_PX)
    small, medium, large = (f"{100 * count / one.num_masks:.1f} %" for count in one.areas_px)
    return (
        f"Half of the photographs have a shortest side of about {side:.0f} pixels or less. Half of "
        f"the masks have a relative size (square root of their share of the image) of "
        f"{one.median_relative_size:.3f} or less. By COCO's areas {small} of the masks are small "
        f"(below 32² pixels), {medium} medium, {large} large (from 96²)."
    )


def _scores(one: DatasetStatistics) -> str:
    medians = {
        "predicted IoU": median_of(one.predicted_ious, bins.SCORE_STEP),
        "stability": median_of(one.stability_scores, bins.SCORE_STEP),
    }
    known = [f"{name} {value:.3f}" for name, value in medians.items() if math.isfinite(value)]
    layers = one.crop_layers
    if layers.any():
        known.append(f"{layers[1:].sum() / layers.sum():.1%} of the masks were found in crops")
    return f"Medians: {', '.join(known)}. The scores are the generator's own." if known else ""


def _makers(records: Mapping[str, Any]) -> str:
    return "\n\n".join(
        f"{title}:\n\n{_table(('setting', 'value'), _flat(record))}"
        for title, record in records.items()
    )


def _privacy(privacy: PrivacyState | None) -> str:
    if privacy is None:
        return ""
    found = ", ".join(f"{count:,} {kind}s" for kind, count in privacy.num_by_kind.items())
    left = f" {privacy.num_left_out:,} photographs were left out." if privacy.num_left_out else ""
    return (
        f"Looked for in {privacy.num_images:,} photographs: {found or 'nothing found'}.{left} "
        f"Detectors: {privacy.detectors}. No detector finds all."
    )


def _validation(state: ValidationState | None) -> str:
    if state is None:
        return ""
    looked = f"{state.num_images:,} images and {state.num_masks:,} masks were validated"
    if not state.problems:
        return f"{looked}: no rule is broken."
    return f"{looked}.\n\n{_table(('broken rule', 'times'), state.problems.items())}"


def _wholeness(manifest: Manifest | None) -> str:
    if manifest is None:
        return ""
    num_bytes = sum(shard.num_bytes for shard in manifest.shards)
    return (
        f"manifest.json has the SHA-256 of each of the {len(manifest.shards):,} shards, "
        f"{num_bytes / 1e9:.2f} GB in all; `anymask dataset validate` compares them."
    )


def _yes_or_no(state: ValidationState | None) -> str:
    if state is None:
        return NOT_RECORDED
    return f"{state.num_problems:,} problems" if state.problems else "yes, no problem"


def _flat(value: Any, prefix: str = "") -> Iterable[tuple[str, str]]:
    """Plain JSON data as rows: names joined by dots."""
    items: Iterable[tuple[str, Any]]
    if isinstance(value, Mapping):
        items = ((f"{prefix}.{key}" if prefix else str(key), part) for key, part in value.items())
    elif isinstance(value, list) and any(isinstance(part, Mapping | list) for part in value):
        items = ((f"{prefix}[{i}]", part) for i, part in enumerate(value))
    else:
        shown = ", ".join(map(str, value)) if isinstance(value, list) else value
        yield prefix or "value", NOT_RECORDED if shown is None else str(shown)
        return
    for name, part in items:
        yield from _flat(part, name)


def _table(head: Sequence[str], rows: Iterable[tuple[str, Any]]) -> str:
    lines = [f"| {head[0]} | {head[1]} |", "|---|---|"]
    lines += [f"| {_cell(name)} | {_cell(value)} |" for name, value in rows]
    return "\n".join(lines)


def _cell(value: Any) -> str:
    """Text that stays in its cell."""
    return " ".join(str(value).split()).replace("|", "\\|")


def _number(value: float, form: str) -> str:
    return format(value, form) if math.isfinite(value) else NOT_RECORDED
