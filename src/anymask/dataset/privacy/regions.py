"""Parts of an image that must not be recognisable, and what finds them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from anymask.core.errors import InvalidInputError
from anymask.core.geometry import box_area, non_max_suppression
from anymask.core.records import Box

RegionKind = Literal["face", "plate"]
PERSON = "person"  # the source of a region that somebody drew


@dataclass(frozen=True, kw_only=True)
class Region:
    """A part of an image to conceal.

    Attributes:
        box: xyxy in pixels of the image, half-open.
        kind: what it shows.
        score: the detector's, between 0 and 1; 1 of a person's.
        source: the detector's name, or `PERSON`.

    Raises:
        InvalidInputError: an empty box, a number that is not finite, or an unknown kind.
    """

    box: Box
    kind: RegionKind
    score: float
    source: str

    def __post_init__(self) -> None:
        x0, y0, x1, y1 = self.box
        if not (np.isfinite(self.box).all() and x0 < x1 and y0 < y1):
            raise InvalidInputError(
                f"box must be x0, y0, x1, y1 with x0 < x1 and y0 < y1, got {self.box}. Correct it."
            )
        if self.kind not in get_args(RegionKind):
            raise InvalidInputError(
                f"kind must be one of {', '.join(get_args(RegionKind))}, got {self.kind!r}. "
                "Correct it."
            )
        if not 0 <= self.score <= 1:
            raise InvalidInputError(
                f"score must be between 0 and 1, got {self.score}. Correct the region."
            )

    def to_json(self) -> dict[str, Any]:
        """Return the region as plain JSON data, the box in hundredths of a pixel."""
        return {
            "box": [round(side, 2) for side in self.box],
            "kind": self.kind,
            "score": round(self.score, 4),
            "source": self.source,
        }

    @classmethod
    def from_json(cls, value: Any) -> "Region":
        """Return the region of plain JSON data; InvalidInputError says what is wrong."""
        try:
            x0, y0, x1, y1 = (float(side) for side in value["box"])
            kind, score, source = value["kind"], float(value["score"]), str(value["source"])
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidInputError(
                f"region must have box, kind, score and source, got {value!r} ({error}). "
                "Correct it."
            ) from None
        return cls(box=(x0, y0, x1, y1), kind=kind, score=score, source=source)


class RegionDetector(Protocol):
    """Anything that finds faces or plates in an image."""

    @property
    def name(self) -> str:
        """What regions call their source."""

    def find(self, image: NDArray[np.uint8]) -> tuple[Region, ...]:
        """Return the regions of an image (H, W, 3) uint8 RGB of any size, inside the image."""


def find_regions(
    detectors: Iterable[RegionDetector], image: NDArray[np.uint8]
) -> tuple[Region, ...]:
    """Return what all detectors find in an image (H, W, 3) uint8 RGB, without doubles.

    Sorted by kind, then from the best score down.
    """
    found = [region for detector in detectors for region in detector.find(image)]
    merged = [region for kind in get_args(RegionKind) for region in merge_regions(found, kind)]
    return tuple(merged)


def merge_regions(
    regions: Sequence[Region], kind: RegionKind, iou_thresh: float = 0.4
) -> tuple[Region, ...]:
    """Return the regions of a kind, of those that overlap the best only, best first.

    A region is also left out when most of it lies in a better one: a tile's edge cuts faces, and
    the part that is left scores less than the whole. Nothing comes uncovered by this but a rim
    that the margin of `conceal` covers.
    """
    alike = [region for region in regions if region.kind == kind]
    boxes = np.array([region.box for region in alike]).reshape(-1, 4)
    order = non_max_suppression(boxes, [region.score for region in alike], iou_thresh)
    kept: list[int] = []
    for index in order:
        if not kept or _share_inside(boxes[index], boxes[kept]).max() < 0.8:
            kept.append(int(index))
    return tuple(alike[index] for index in kept)


def _share_inside(box: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """The shares (Q,) of the box's area that lie in each of the others (Q, 4)."""
    common = np.concatenate(
        [np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])], axis=1
    )
    shares: NDArray[np.float64] = box_area(common) / box_area(box)
    return shares
