"""What must be known of a detector's ONNX file to use it: a JSON file of its name beside it."""

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args

from anymask.core.errors import InvalidInputError, UnknownNameError
from anymask.dataset.privacy.layouts import LAYOUTS
from anymask.dataset.privacy.regions import RegionKind


@dataclass(frozen=True, kw_only=True)
class DetectorFile:
    """How a detector's file is fed and read.

    Attributes:
        layout: how its outputs are read, a name of `LAYOUTS`.
        kind: what it finds.
        score_thresh: answers of a lower score are left out.
        channels: "rgb" or "bgr".
        mean: of the channels in that order, subtracted from pixels in 0..255.
        scale: then multiplied with.
        multiple: sides of the input are filled up to multiples of this, black.
        has_batch: whether the input is (1, 3, H, W), not (3, H, W).
        any_size: the sizes in the file are an example; any other is taken.
        outputs: names of the outputs that the layout reads, in its order; () for the file's own.
        view_px: larger images are looked at in tiles of this side (the file's own, if it has one).

    Raises:
        InvalidInputError: a value is out of range.
        UnknownNameError: no such layout.
    """

    layout: str
    kind: RegionKind
    score_thresh: float
    channels: Literal["rgb", "bgr"] = "rgb"
    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    scale: float = 1.0
    multiple: int = 32
    has_batch: bool = True
    any_size: bool = False
    outputs: tuple[str, ...] = ()
    view_px: int = 960

    def __post_init__(self) -> None:
        if self.layout not in LAYOUTS:
            raise UnknownNameError("layout", self.layout, list(LAYOUTS))
        wrong = {
            "kind": (self.kind in get_args(RegionKind), "face or plate"),
            "score_thresh": (0 <= self.score_thresh <= 1, "between 0 and 1"),
            "channels": (self.channels in ("rgb", "bgr"), "rgb or bgr"),
            "mean": (len(self.mean) == 3, "three numbers"),
            "multiple": (self.multiple >= 1, "at least 1"),
            "view_px": (self.view_px >= 64, "at least 64"),
        }
        for name, (is_right, wanted) in wrong.items():
            if not is_right:
                raise InvalidInputError(
                    f"{name} must be {wanted}, got {getattr(self, name)!r}. Correct it."
                )

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON data."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Any) -> "DetectorFile":
        """Return the description of plain JSON data.

        Raises:
            InvalidInputError: a key is unknown or missing, or a value is of another type.
            UnknownNameError: no such layout.
        """
        known = {field.name: field for field in fields(cls)}
        if not isinstance(value, dict) or set(value) - set(known):
            raise InvalidInputError(
                f"a detector's description must be a JSON object with keys of {', '.join(known)}, "
                f"got {value!r}. Correct it."
            )
        try:
            given: dict[str, Any] = {
                key: tuple(v) if isinstance(v, list) else v for key, v in value.items()
            }
            return cls(**given)
        except TypeError as error:
            raise InvalidInputError(
                "a detector's description must have layout, kind and score_thresh, each of its "
                f"type, got {value!r} ({error}). Correct it."
            ) from None


def read_description(model: Path) -> DetectorFile:
    """Return the description of `NAME.onnx`, which is `NAME.json` beside it.

    Raises:
        InvalidInputError: it is missing, not JSON, or wrong; the text names the file.
    """
    path = model.with_suffix(".json")
    try:
        return DetectorFile.from_json(json.loads(path.read_bytes()))
    except OSError as error:
        raise InvalidInputError(
            f"{path} must describe {model.name}, got {error.strerror}. Write it: "
            '{"layout": "yunet", "kind": "face", "score_thresh": 0.6, "channels": "bgr"}.'
        ) from None
    except (InvalidInputError, LookupError, ValueError) as error:
        raise InvalidInputError(f"{path}: {error}") from None
