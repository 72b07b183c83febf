"""Masks as COCO run lengths: column-major, first run background, coded without loops over runs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anymask.core.errors import InvalidInputError

_BITS_PER_CHAR = 5
_MORE = 1 << _BITS_PER_CHAR  # set on every character of a number but the last
_SIGN_BIT = _BITS_PER_CHAR - 1
_FIRST_CHAR = 48  # "0"
_MAX_CHARS = 7  # 35 bits: more than any image has pixels


@dataclass(frozen=True, kw_only=True, eq=False)
class Rle:
    """A mask as run lengths; equal masks have equal runs, as no run but the first is zero.

    Attributes:
        size: (H, W) in pixels.
        counts: (R,) int64, read-only; run lengths down the columns, background and foreground in
            turn, background first. Zero runs further on are merged away.
    """

    size: tuple[int, int]
    counts: NDArray[np.int64]

    def __post_init__(self) -> None:
        """Raise InvalidInputError when the runs cannot fill the size."""
        size = _checked_size(self.size)
        counts = _checked_counts(self.counts, size[0] * size[1])
        if (counts[1:] == 0).any():
            counts = _without_zero_runs(counts)
        counts.flags.writeable = False
        object.__setattr__(self, "size", size)
        object.__setattr__(self, "counts", counts)

    @classmethod
    def from_mask(cls, mask: ArrayLike) -> "Rle":
        """Return the runs of a mask (H, W) bool (or whole numbers, where non-zero is foreground).

        >>> Rle.from_mask(np.eye(3, dtype=bool)).counts.tolist()
        [0, 1, 3, 1, 3, 1]
        """
        array = np.asarray(mask)
        if array.ndim != 2 or array.dtype.kind not in "bui" or not array.size:
            raise InvalidInputError(
                f"mask must be a bool array of shape (H, W), got {array.dtype} {array.shape}. "
                "Use mask > threshold on one non-empty mask."
            )
        starts = _run_starts(array.astype(np.bool_, copy=False))
        counts = np.diff(starts, prepend=0, append=array.size)
        return cls(size=(array.shape[0], array.shape[1]), counts=counts)

    def to_mask(self) -> NDArray[np.bool_]:
        """Return the mask (H, W) bool, a fresh array in column-major memory order."""
        is_foreground = np.arange(len(self.counts)) % 2 == 1
        height, width = self.size
        return np.repeat(is_foreground, self.counts).reshape(width, height).T

    def sample(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return `to_mask()[rows][:, columns]`, (h, w) bool, without decoding all of the mask.

        Only the columns between the outermost of the asked ones that the mask reaches are decoded:
        a small object of a large photograph costs next to nothing.

        Args:
            rows: (h,) int64 in [0, H), in any order, also repeated.
            columns: (w,) int64 in [0, W), likewise.

        >>> Rle.from_mask(np.eye(5, dtype=bool)).sample(np.array([0, 3]), np.array([3, 3, 4])).sum()
        np.int64(2)
        """
        sampled = np.zeros((len(rows), len(columns)), dtype=np.bool_)
        ends = np.cumsum(self.counts)
        starts, stops = ends[:-1:2], ends[1::2]
        height = self.size[0]
        if not len(starts):
            return sampled
        reached = (columns >= starts[0] // height) & (columns <= (stops[-1] - 1) // height)
        if not reached.any():
            return sampled
        first, last = int(columns[reached].min()), int(columns[reached].max())
        low, high = first * height, (last + 1) * height
        begin = int(np.searchsorted(stops, low, side="right"))
        end = int(np.searchsorted(starts, high, side="left"))
        window = np.zeros(high - low, dtype=np.bool_)
        runs = np.clip(
            np.stack([starts[begin:end], stops[begin:end]], axis=1) - low, 0, len(window)
        )
        for start, stop in runs.tolist():
            window[start:stop] = True
        by_column = window.reshape(-1, height)[columns[reached] - first]
        sampled[:, reached] = by_column[:, rows].T
        return sampled

    def column_runs(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Return the foreground as runs that each lie in one column, column by column, downwards.

        Returns:
            columns (R,), first rows (R,) and rows after the last (R,), all int64.

        >>> [runs.tolist() for runs in Rle.from_mask(np.ones((2, 2), dtype=bool)).column_runs()]
        [[0, 1], [0, 0], [2, 2]]
        """
        height = self.size[0]
        ends = np.cumsum(self.counts)
        starts, stops = ends[:-1:2], ends[1::2]
        first_columns = starts // height
        num_columns = (stops - 1) // height - first_columns + 1
        # A run that goes over into further columns is one piece in each.
        run = np.repeat(np.arange(len(starts)), num_columns)
        piece_in_run = np.arange(len(run)) - np.repeat(
            np.cumsum(num_columns) - num_columns, num_columns
        )
        columns = first_columns[run] + piece_in_run
        tops = columns * height
        row_starts = np.maximum(starts[run] - tops, 0)
        row_stops = np.minimum(stops[run] - tops, height)
        return columns, row_starts, row_stops

    @classmethod
    def from_column_runs(
        cls,
        size: tuple[int, int],
        columns: NDArray[np.int64],
        row_starts: NDArray[np.int64],
        row_stops: NDArray[np.int64],
    ) -> "Rle":
        """Return the mask of runs in columns, in any order, none overlapping another.

        Args:
            size: (H, W) in pixels.
            columns: (R,) int64, the column of each run.
            row_starts: (R,) int64, its first row.
            row_stops: (R,) int64, the row after its last.
        """
        height, width = size
        starts, stops = columns * height + row_starts, columns * height + row_stops
        order = np.argsort(starts, kind="stable")
        ends = np.stack([starts[order], stops[order]], axis=1).reshape(-1)
        return cls(size=size, counts=np.diff(ends, prepend=0, append=height * width))

    def placed(self, size: tuple[int, int], x0: int, y0: int) -> "Rle":
        """Return the mask as a part of a larger image that is empty elsewhere.

        Args:
            size: (H, W) of the larger image.
            x0: the column in it of this mask's first.
            y0: the row in it of this mask's first.

        Raises:
            InvalidInputError: the mask would reach beyond the image.

        >>> Rle.from_mask(np.ones((1, 2), dtype=bool)).placed((3, 4), 1, 2).to_box().tolist()
        [1.0, 2.0, 3.0, 3.0]
        """
        if min(x0, y0) < 0 or y0 + self.size[0] > size[0] or x0 + self.size[1] > size[1]:
            raise InvalidInputError(
                f"size must hold the mask of {self.size} at column {x0}, row {y0}, got {size}. "
                "Pass the size of the whole image."
            )
        if size == self.size:
            return self
        columns, row_starts, row_stops = self.column_runs()
        return Rle.from_column_runs(size, columns + x0, row_starts + y0, row_stops + y0)

    def inverted(self) -> "Rle":
        """Return the mask's background as a mask.

        >>> Rle.from_mask(np.eye(3, dtype=bool)).inverted().area
        6
        """
        counts = self.counts
        flipped = counts[1:] if counts[0] == 0 else np.concatenate([[0], counts])
        return Rle(size=self.size, counts=flipped)

    @property
    def area(self) -> int:
        """The number of foreground pixels."""
        return int(self.counts[1::2].sum())

    def to_box(self) -> NDArray[np.float32]:
        """Return the half-open box (4,) float32 xyxy, zeros when empty; the mask is not decoded.

        >>> Rle.from_mask(np.eye(5, dtype=bool)[:, 1:4]).to_box().tolist()
        [0.0, 1.0, 3.0, 4.0]
        """
        ends = np.cumsum(self.counts)[1::2]
        if not len(ends):
            return np.zeros(4, dtype=np.float32)
        height = self.size[0]
        first_columns, first_rows = np.divmod(ends - self.counts[1::2], height)
        last_columns, last_rows = np.divmod(ends - 1, height)
        top, bottom = first_rows.min(), last_rows.max() + 1
        if (first_columns != last_columns).any():
            # A run that goes over into the next column holds a bottom and a top pixel.
            top, bottom = 0, height
        return np.array([first_columns[0], top, last_columns[-1] + 1, bottom], dtype=np.float32)

    def to_coco(self) -> dict[str, Any]:
        """Return {"size": [H, W], "counts": str}, the compressed form that SA-1B and COCO store.

        >>> Rle.from_mask(np.eye(3, dtype=bool)).to_coco()
        {'size': [3, 3], 'counts': '013000'}
        """
        return {"size": list(self.size), "counts": _counts_to_text(self.counts)}

    def to_coco_uncompressed(self) -> dict[str, Any]:
        """Return {"size": [H, W], "counts": [int, ...]}."""
        return {"size": list(self.size), "counts": self.counts.tolist()}

    @classmethod
    def from_coco(cls, value: Mapping[str, Any]) -> "Rle":
        """Return the runs of a COCO RLE: counts as compressed str or bytes, or as a list.

        Raises:
            InvalidInputError: a key is missing, the text is damaged, or size and runs disagree.

        >>> Rle.from_coco({"size": [3, 3], "counts": "013000"}).area
        3
        """
        if not isinstance(value, Mapping) or not {"size", "counts"} <= value.keys():
            raise InvalidInputError(
                'An RLE must be a mapping with the keys "size" and "counts", got '
                f"{sorted(map(str, value)) if isinstance(value, Mapping) else type(value).__name__}"
                ". Polygons must be drawn to a mask first."
            )
        counts = value["counts"]
        if isinstance(counts, str | bytes):
            counts = _text_to_counts(counts)
        return cls(size=value["size"], counts=counts)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Rle):
            return NotImplemented
        return self.size == other.size and np.array_equal(self.counts, other.counts)

    def __hash__(self) -> int:
        return hash((self.size, self.counts.tobytes()))


def _checked_size(size: object) -> tuple[int, int]:
    if isinstance(size, list | tuple) and len(size) == 2:
        height, width = size
        whole = all(
            isinstance(side, int | np.integer) and not isinstance(side, bool) and side >= 1
            for side in size
        )
        if whole:
            return int(height), int(width)
    raise InvalidInputError(
        f"size must be [height, width], both whole and at least 1, got {size!r}. Correct the RLE."
    )


def _checked_counts(value: ArrayLike, num_pixels: int) -> NDArray[np.int64]:
    try:
        counts = np.array(value)
    except ValueError:  # rows of unequal length
        counts = np.array(0)
    if counts.ndim != 1 or counts.dtype.kind not in "iu" or (counts < 0).any():
        raise InvalidInputError(
            "counts must be one row of non-negative whole numbers, got something else. "
            "The RLE is damaged; encode the mask again."
        )
    # A run that is too long alone is found first, so that the sum cannot overflow.
    is_too_long = bool((counts > num_pixels).any())
    counts = counts.astype(np.int64, copy=False)
    if is_too_long or counts.sum() != num_pixels:
        raise InvalidInputError(
            f"counts must add up to the size's {num_pixels} pixels, got other runs. "
            "The size is not [height, width] or the RLE is damaged; encode the mask again."
        )
    return counts


def _run_starts(mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the column-major positions where the value changes; the start counts as background."""
    if mask.flags.f_contiguous:
        return np.flatnonzero(np.diff(mask.T.reshape(-1), prepend=False))
    # Comparing rows in place and sorting the few changes is faster than transposing the pixels.
    height, width = mask.shape
    changes = np.empty((height, width), dtype=np.bool_)
    changes[0, 0] = mask[0, 0]
    np.not_equal(mask[0, 1:], mask[-1, :-1], out=changes[0, 1:])
    np.not_equal(mask[1:], mask[:-1], out=changes[1:])
    rows, columns = np.divmod(np.flatnonzero(changes), width)
    return np.sort(columns * height + rows)


def _without_zero_runs(counts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the same pixels with neighbouring runs of one value joined."""
    present = counts > 0
    values, lengths = (np.arange(len(counts)) % 2)[present], counts[present]
    starts = np.flatnonzero(np.diff(values, prepend=-1))
    joined = np.add.reduceat(lengths, starts)
    return np.concatenate([np.zeros(values[0], dtype=np.int64), joined])


def _counts_to_text(counts: NDArray[np.int64]) -> str:
    """Return COCO's text: counts less the one two before, in signed 5-bit groups, lowest first."""
    left = counts.copy()
    left[3:] -= counts[1:-2]
    chars = np.zeros((len(left), _MAX_CHARS), dtype=np.uint8)
    rows, place = np.arange(len(left)), 0
    while len(rows):
        groups = left & (_MORE - 1)
        left >>= _BITS_PER_CHAR
        # A number ends when the rest is only the sign that its last group already shows.
        is_unfinished = left != -(groups >> _SIGN_BIT)
        chars[rows, place] = _FIRST_CHAR + groups + _MORE * is_unfinished
        rows, left, place = rows[is_unfinished], left[is_unfinished], place + 1
    return str(chars[chars > 0].tobytes(), "ascii")


def _text_to_counts(text: str | bytes) -> NDArray[np.int64]:
    """Return the counts of COCO's text; InvalidInputError when it is damaged."""
    data = text.encode("utf-8") if isinstance(text, str) else text
    chars = np.frombuffer(data, dtype=np.uint8) - np.uint8(_FIRST_CHAR)  # lower ones wrap to high
    if not len(chars) or chars.max() >= 2 * _MORE or chars[-1] >= _MORE:
        raise _damaged_text()
    lasts = np.flatnonzero(chars < _MORE)
    lengths = np.diff(lasts, prepend=-1)
    if lengths.max() > _MAX_CHARS:
        raise _damaged_text()
    counts = np.where((chars[lasts] >> _SIGN_BIT) & 1, -1, 0)
    rows, place = np.arange(len(lasts)), 0
    while len(rows):
        groups = chars[lasts[rows] - place] & (_MORE - 1)
        counts[rows] = (counts[rows] << _BITS_PER_CHAR) | groups
        place += 1
        rows = rows[lengths[rows] > place]
    counts[1::2] = np.cumsum(counts[1::2])
    counts[2::2] = np.cumsum(counts[2::2])
    return counts


def _damaged_text() -> InvalidInputError:
    return InvalidInputError(
        "counts must be a compressed COCO RLE text, got one that is cut off or has foreign "
        "characters. Encode the mask again."
    )
