"""How long a person takes for what they do in the studio; every constant has its source.

Pointing, deciding and finding come from the keystroke-level model (Card, Moran and Newell 1980) and
from the annotation by extreme points that Sec. 4 compares itself with. One number is fitted: the
speed of drawing by hand, so that the first manual round takes the paper's 34 s a mask. What the
later rounds take is a prediction.
"""

from dataclasses import dataclass

import numpy as np

EXTREME_POINTS_SECONDS = 7.0
"""Sec. 4: 14 s a mask are twice what a box by its four extreme points takes."""

COCO_DRAW_SECONDS = 186.0
"""A diagonal of outline as COCO's were drawn, by polygons: Sec. 4 has them at 6.5 times 14 s a
mask, and the mean outline of 1,735 of them is .48 diagonals. Freehand drawing must be faster."""


@dataclass(frozen=True, kw_only=True)
class TimeModel:
    """Seconds of an experienced person's actions, before chance.

    Attributes:
        point_seconds: to move the pointer to a target (KLM's P).
        press_seconds: a button or key (KLM's K of a skilled typist).
        decide_seconds: to look at an answer and make up one's mind (KLM's M).
        wait_seconds: until the model has answered (Sec. 3: about 50 ms in the browser).
        draw_seconds: to draw as much outline by hand as the photo's diagonal is long. The one
            fitted number (docs/simulation.md).
        longest_stroke_seconds: the hand is lifted after so long; each stroke is an event.
        spread: standard deviation of the logarithm of an action's time, as reaction times are
            about log-normal. Assumed: it matters only to who crosses the 30 seconds.
    """

    point_seconds: float = 1.1
    press_seconds: float = 0.2
    decide_seconds: float = 1.35
    wait_seconds: float = 0.05
    draw_seconds: float = 8.0
    longest_stroke_seconds: float = 10.0
    spread: float = 0.3

    @property
    def click(self) -> float:
        """To aim and click."""
        return self.point_seconds + self.press_seconds

    @property
    def find(self) -> float:
        """To find the next object: what four extreme clicks leave of their seven seconds."""
        return EXTREME_POINTS_SECONDS - 4 * self.click

    @property
    def box(self) -> float:
        """To drag a box from corner to corner."""
        return 2 * self.click

    @property
    def judge(self) -> float:
        """To wait for an answer and look at it."""
        return self.wait_seconds + self.decide_seconds

    def taken(self, seconds: float, rng: np.random.Generator) -> float:
        """How long it takes this time: a log-normal draw about the mean `seconds`."""
        return seconds * float(np.exp(rng.normal(-(self.spread**2) / 2, self.spread)))
