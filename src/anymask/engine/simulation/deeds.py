"""What a simulated person did: values that the crowd writes into the store."""

from dataclasses import dataclass, field
from typing import Any

from anymask.core.rle import Rle


@dataclass(frozen=True, kw_only=True)
class Deed:
    """One event as the studio's pages log it, and the seconds that led to it."""

    kind: str
    seconds: float
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class MadeMask:
    """A mask that a person made.

    Attributes:
        target: index of the true object that they had in mind.
        segmentation: the result.
        deeds: from looking for the object to saving it.
        prompts: the clicks and the box that stayed, as the studio stores them.
        predicted_iou: the model's own estimate of its last answer.
    """

    target: int
    segmentation: Rle
    deeds: tuple[Deed, ...]
    prompts: dict[str, Any]
    predicted_iou: float

    @property
    def seconds(self) -> float:
        """All that it took."""
        return sum(deed.seconds for deed in self.deeds)

    @property
    def clicks(self) -> int:
        """Clicks, those that were taken back too."""
        return sum(deed.kind == "click" for deed in self.deeds)

    @property
    def strokes(self) -> int:
        """Strokes of brush and eraser."""
        return sum(deed.kind == "stroke" for deed in self.deeds)


@dataclass(frozen=True, kw_only=True)
class PhotoWork:
    """What a person did on one photo.

    Attributes:
        masks: in order of prominence.
        deleted: indices of the pre-filled masks that they took away.
        review: looking at pre-filled masks and deleting some; it belongs to no mask.
        is_left_early: they went on to the next photo by the 30-second rule.
    """

    masks: tuple[MadeMask, ...]
    deleted: tuple[int, ...]
    review: tuple[Deed, ...]
    is_left_early: bool
