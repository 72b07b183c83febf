"""What the numbers of a run's log are, by their names."""

from collections.abc import Iterable, Mapping
from typing import Any

_SCORE, _SIZE, _TIME = "val_", "num_", "seconds_"


def losses(row: Mapping[str, Any]) -> dict[str, float]:
    """The loss terms of a row."""
    others = ("step", "learning_rate", "gradient_norm", "seconds")
    return {
        name: value
        for name, value in row.items()
        if name not in others and not name.startswith((_SCORE, _SIZE, _TIME))
    }


def scores(row: Mapping[str, Any]) -> dict[str, float]:
    """The validation scores of a row, without their prefix; empty for most rows."""
    return _without(_SCORE, row)


def latest_scores(rows: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """The scores of the last validation."""
    found: dict[str, float] = {}
    for row in rows:
        found = scores(row) or found
    return found


def seconds(row: Mapping[str, Any]) -> dict[str, float]:
    """Seconds by phase of the step."""
    return _without(_TIME, row)


def rates(row: Mapping[str, Any]) -> dict[str, float]:
    """What was processed a second, e.g. "images"."""
    total = max(row["seconds"], 1e-9)
    return {name: count / total for name, count in _without(_SIZE, row).items()}


def _without(prefix: str, row: Mapping[str, Any]) -> dict[str, float]:
    return {name[len(prefix) :]: row[name] for name in row if name.startswith(prefix)}
