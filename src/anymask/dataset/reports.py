"""What other commands reported of a data set, for its viewer and its card."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from anymask.core.errors import InvalidInputError
from anymask.core.files import read_json
from anymask.dataset.privacy.journal import BlurredImage
from anymask.dataset.privacy.regions import Region


@dataclass(frozen=True, kw_only=True)
class ValidationState:
    """What `anymask dataset validate` found: how often each rule is broken, by the rule's name."""

    num_images: int
    num_masks: int
    problems: Mapping[str, int]

    @property
    def num_problems(self) -> int:
        """Of all rules."""
        return sum(self.problems.values())


@dataclass(frozen=True, kw_only=True)
class PrivacyState:
    """What `anymask dataset blur` concealed.

    Attributes:
        num_images: in the blurred copy.
        num_left_out: that could not be looked at and are not in it.
        num_by_kind: regions by kind, "face" or "plate".
        detectors: that looked, as text.
        regions: by the file name of the image in the copy.
    """

    num_images: int
    num_left_out: int
    num_by_kind: Mapping[str, int]
    detectors: str
    regions: Mapping[str, tuple[Region, ...]]


def read_validation(path: str | Path) -> ValidationState:
    """Return what `anymask dataset validate --json` printed into a file.

    Raises:
        InvalidInputError: it is something else.
    """
    content = read_json(path)
    try:
        problems = {str(rule): int(found["count"]) for rule, found in content["problems"].items()}
        return ValidationState(
            num_images=int(content["num_images"]),
            num_masks=int(content["num_masks"]),
            problems=problems,
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _wrong(path, "what `anymask dataset validate --json` prints", error) from None


def read_privacy(path: str | Path) -> PrivacyState:
    """Return the report.json of `anymask dataset blur --report`.

    Raises:
        InvalidInputError: it is something else.
    """
    content = read_json(path)
    try:
        summary = content["summary"]
        images = [BlurredImage.from_json(image) for image in content["images"]]
        return PrivacyState(
            num_images=int(summary["num_images"]),
            num_left_out=int(summary["num_left_out"]),
            num_by_kind={str(kind): int(count) for kind, count in summary["by_kind"].items()},
            detectors=_text_of(content["detectors"]),
            regions={PurePosixPath(image.released_name).name: image.regions for image in images},
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise _wrong(path, "the report.json of `anymask dataset blur`", error) from None


def _text_of(value: Any) -> str:
    """Plain JSON data as a phrase."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_text_of(part)}" for key, part in value.items())
    if isinstance(value, list):
        return "; ".join(_text_of(part) for part in value) or "none"
    return str(value)


def _wrong(path: str | Path, wanted: str, error: Exception) -> InvalidInputError:
    return InvalidInputError(
        f"{path} must be {wanted}, got another form ({error}). Write it again."
    )
