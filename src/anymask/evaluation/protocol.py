"""What an evaluation asks of a predictor, what a suite measured, and one row of results."""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from anymask.core.errors import InvalidInputError
from anymask.core.prompts import Prompt

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.floating[Any]]


class Prediction(Protocol):
    """The answer to one prompt: M masks in no order of quality; all arrays are numpy."""

    @property
    def masks(self) -> BoolArray:
        """(M, H, W) bool in the original frame."""

    @property
    def iou_predictions(self) -> FloatArray:
        """(M,) the model's own estimate of each mask's IoU."""

    @property
    def low_res_logits(self) -> FloatArray:
        """(M, h, w) float32, fit to be the next prompt's `mask_input`."""


class Predictor(Protocol):
    """A model that embeds an image once and then answers prompts in batches."""

    def embed(self, image: NDArray[np.uint8]) -> Any:
        """Return the embedding of `image` (H, W, 3) uint8 RGB."""

    def predict(
        self, embedding: Any, prompts: Sequence[Prompt], *, multimask_output: bool | None
    ) -> Sequence[Prediction]:
        """Return one prediction a prompt: three masks, one if False, by its own rule if None."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SetScores:
    """What a suite measured on one set, a value a mask.

    `image_index` (K,) tells the image of each of the K masks; `values` maps a metric to (K,)
    floats; `predicted_ious` and `true_ious` (K, M) are those of the masks answered to the first
    prompt.
    """

    suite: str
    dataset: str
    image_index: NDArray[np.int64]
    values: Mapping[str, FloatArray]
    predicted_ious: FloatArray
    true_ious: FloatArray


@dataclass(frozen=True, kw_only=True)
class EvalRow:
    """One number of an evaluation with its 95 % confidence interval `low` to `high`.

    A number that is not defined (a correlation of constants) is NaN here and null in JSON.
    """

    suite: str
    dataset: str
    metric: str
    value: float
    low: float
    high: float
    num_masks: int
    num_images: int


def rows_to_json_lines(rows: Iterable[EvalRow]) -> str:
    """Return one JSON object a line for `rows`, in order, each line ended."""
    plain = ({key: _finite_or_none(value) for key, value in asdict(row).items()} for row in rows)
    return "".join(json.dumps(item, allow_nan=False) + "\n" for item in plain)


def read_rows(path: str | Path) -> tuple[EvalRow, ...]:
    """Return the rows of a JSON-lines file written by `rows_to_json_lines`.

    Raises:
        InvalidInputError: the file cannot be read or a line is not a row.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInputError(
            f"rows file must be readable, got {error}. Check the path."
        ) from None
    return tuple(_parse_row(line, path, i) for i, line in enumerate(lines, 1) if line.strip())


def _parse_row(line: str, path: str | Path, line_number: int) -> EvalRow:
    names = {field.name for field in fields(EvalRow)}
    try:
        item = json.loads(line)
    except ValueError:
        item = None
    if not isinstance(item, dict) or set(item) != names:
        raise InvalidInputError(
            f"line {line_number} of {path} must be a JSON object with {', '.join(sorted(names))}, "
            f"got {line[:60]!r}. Evaluate again to rewrite it."
        )
    values: dict[str, Any] = {
        key: math.nan if value is None else value for key, value in item.items()
    }
    return EvalRow(**values)


def _finite_or_none(value: object) -> object:
    return None if isinstance(value, float) and not math.isfinite(value) else value
