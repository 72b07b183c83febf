"""One simulated person, who works on a photo as people do with the studio (Sec. 4).

The truth tells them what the objects are; the model never sees it. For each object, in order of
prominence: find it, click it, look at the three answers, choose, click where it is wrong; drag a
box where the first answer is hopeless, and paint where clicks stop helping.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anymask.core.geometry import mask_to_box
from anymask.core.prompts import PointLabel, Prompt
from anymask.core.rle import Rle
from anymask.engine.simulation.brush import Painted, paint
from anymask.engine.simulation.deeds import Deed, MadeMask, PhotoWork
from anymask.engine.simulation.perception import as_seen, prominence_order
from anymask.engine.simulation.time_model import TimeModel
from anymask.evaluation.clicker import find_peak
from anymask.evaluation.metrics.iou import masks_iou
from anymask.evaluation.protocol import BoolArray, FloatArray, Prediction, Predictor

_EFFECTIVE_WIDTH = 4.133
"""People spread their clicks over a target: its width is so many standard deviations (ISO 9241-9:
4 % then miss it). That is the click on the wrong side."""


@dataclass(frozen=True, kw_only=True)
class Habits:
    """How a person works.

    Attributes:
        accepted_iou: bounds of the IoU with what they see from which a mask is good enough, drawn
            anew for each object: as close as another person's mask would be (Sec. 5: 85 to 91 %).
        own_agreement: IoU of what they see with the truth: half of that disagreement is theirs.
        choice_gain: they choose another of three masks when it is better by more.
        hopeless_iou: below it, a box is tried after the first click.
        worthwhile_gain: a click that gains less did not help; `patience` such clicks in a row end
            the clicking.
        patience: see there.
        max_clicks: on one object.
        kept_iou: pre-filled masks at least so good stay (Sec. 5's second bar).
        overlook_probability: that a wrong pre-filled mask is not noticed. Assumed.
        slow_seconds: Sec. 4: go on to the next photo once a mask took longer.
        leave_probability: that they do. Sec. 4 encourages, and has 20 masks a photo at 34 s, 44 at
            14 s: with times spread exponentially, chances of .12 and .19 after a slow mask.
        smallest_px: objects of fewer pixels are passed over, as App. E does (24 x 24).
    """

    accepted_iou: tuple[float, float] = (0.85, 0.91)
    own_agreement: float = 0.94
    choice_gain: float = 0.03
    hopeless_iou: float = 0.4
    worthwhile_gain: float = 0.02
    patience: int = 2
    max_clicks: int = 8
    kept_iou: float = 0.75
    overlook_probability: float = 0.1
    slow_seconds: float = 30.0
    smallest_px: int = 24 * 24
    leave_probability: float = 0.15


class SimulatedAnnotator:
    """A person: works the same way on the same photo with the same model.

    Args:
        predictor: the model that helps.
        time_model: how long things take.
        habits: how they work.
        seed: who they are.
    """

    def __init__(
        self,
        predictor: Predictor,
        time_model: TimeModel | None = None,
        habits: Habits | None = None,
        seed: int = 0,
    ) -> None:
        self._predictor = predictor
        self._time = time_model or TimeModel()
        self._habits = habits or Habits()
        self._seed = seed

    def annotate(
        self,
        image: NDArray[np.uint8],
        truth: Sequence[Rle],
        prefilled: Sequence[Rle] = (),
        *,
        photo: int = 0,
    ) -> PhotoWork:
        """Return what the person does on a photo.

        Args:
            image: (H, W, 3) uint8 RGB.
            truth: the objects that they would call objects, of the photo's size.
            prefilled: masks that are there already (stage 2), of the photo's size.
            photo: a number of the photo's own, for chance.
        """
        targets = [np.ascontiguousarray(rle.to_mask()) for rle in truth]
        rngs = np.random.default_rng([self._seed, photo]).spawn(2 + len(targets))
        seen = [
            as_seen(target, self._habits.own_agreement, rng)
            for target, rng in zip(targets, rngs[2:], strict=True)
        ]
        deleted, covered, review = self._look_over(seen, prefilled, rngs[0])
        order = [
            i
            for i in prominence_order(image, targets, rngs[1])
            if i not in covered and truth[i].area >= self._habits.smallest_px
        ]
        made = self._make_all(image, {i: (seen[i], rngs[2 + i]) for i in order})
        masks = []
        is_left = False
        for i in order:
            masks.append(made[i])
            is_slow = made[i].seconds > self._habits.slow_seconds
            is_left = is_slow and rngs[1].random() < self._habits.leave_probability
            if is_left:
                break
        return PhotoWork(masks=tuple(masks), deleted=deleted, review=review, is_left_early=is_left)

    def _look_over(
        self, seen: Sequence[BoolArray], prefilled: Sequence[Rle], rng: np.random.Generator
    ) -> tuple[tuple[int, ...], set[int], tuple[Deed, ...]]:
        """Which pre-filled masks are deleted, which objects the others cover, and the deeds."""
        deleted, covered, review = [], set(), []
        for k, rle in enumerate(prefilled):
            ious = masks_iou(np.stack(seen), rle.to_mask()) if seen else np.zeros(1)
            review.append(self._deed("look", self._time.decide_seconds, rng))
            if ious.max() >= self._habits.kept_iou:
                covered.add(int(ious.argmax()))
            elif rng.random() >= self._habits.overlook_probability:
                deleted.append(k)
                review.append(self._deed("delete", self._time.click, rng, prefilled=k))
        return tuple(deleted), covered, tuple(review)

    def _make_all(
        self, image: NDArray[np.uint8], objects: dict[int, tuple[BoolArray, np.random.Generator]]
    ) -> dict[int, MadeMask]:
        """The masks of all objects: each made alone, but the model asked for all at a time."""
        if not objects:
            return {}
        embedding = self._predictor.embed(image)
        making = {i: self._make(i, seen, rng) for i, (seen, rng) in objects.items()}
        asked = {i: next(generator) for i, generator in making.items()}
        made: dict[int, MadeMask] = {}
        while asked:
            answers = self._predictor.predict(
                embedding, list(asked.values()), multimask_output=None
            )
            for i, answer in zip(list(asked), answers, strict=True):
                try:
                    asked[i] = making[i].send(answer)
                except StopIteration as end:
                    del asked[i]
                    made[i] = end.value
        return made

    def _make(
        self, target: int, seen: BoolArray, rng: np.random.Generator
    ) -> Generator[Prompt, Prediction, MadeMask]:
        """Make one object's mask: yields what the model is asked, is sent its answers."""
        habits, time = self._habits, self._time
        enough = float(rng.uniform(*habits.accepted_iou))
        draft = _Draft(deeds=[self._deed("look", time.find, rng)])
        nothing = np.zeros_like(seen)

        click = _aim(seen, nothing, rng)
        draft.deeds.append(self._click_deed(click, rng))
        self._choose(draft, (yield draft.ask(clicks=[click])), click, seen, rng)
        if draft.iou < habits.hopeless_iou:
            box = _drag(seen, rng)
            draft.deeds.append(self._deed("box", time.judge + time.box, rng, box=box))
            draft.take_if_better((yield draft.ask(clicks=[], box=box)), seen, [], box)

        futile = 0
        while draft.iou < enough:
            painted = paint(draft.mask, seen, enough)
            is_tired = futile >= habits.patience or draft.num_asked >= habits.max_clicks
            if is_tired or self._painting_seconds(painted) < time.judge + time.click:
                self._paint(draft, painted, rng)
                break
            click = _aim(seen, draft.mask, rng)
            draft.deeds.append(self._click_deed(click, rng, after=time.judge))
            clicks = [*draft.clicks, click]
            answer = yield draft.ask(clicks=clicks, box=draft.box)
            gain = draft.take_if_better(answer, seen, clicks, draft.box)
            if gain < 0:
                draft.deeds.append(self._deed("undo", time.judge + time.press_seconds, rng))
            futile = 0 if gain >= habits.worthwhile_gain else futile + 1

        draft.deeds.append(self._deed("save", time.judge + time.press_seconds, rng))
        return draft.finish(target)

    def _choose(
        self,
        draft: "_Draft",
        answer: Prediction,
        click: "_Click",
        seen: BoolArray,
        rng: np.random.Generator,
    ) -> None:
        """Take the mask that is shown first, the model's favourite, or a better one."""
        shown = int(np.argmax(answer.iou_predictions))
        ious = masks_iou(answer.masks, seen)
        best = int(ious.argmax())
        if ious[best] > ious[shown] + self._habits.choice_gain:
            seconds = self._time.judge + self._time.click
            draft.deeds.append(self._deed("choice", seconds, rng, choice=best))
            shown = best
        draft.clicks = [click]
        draft.take(answer, shown, float(ious[shown]))

    def _painting_seconds(self, painted: Painted) -> float:
        time = self._time
        return sum(time.click + time.draw_seconds * length for length in painted.lengths)

    def _paint(self, draft: "_Draft", painted: Painted, rng: np.random.Generator) -> None:
        """Correct by brush and eraser; long strokes are several events."""
        longest = self._time.longest_stroke_seconds
        for length, is_erased in zip(painted.lengths, painted.is_erased, strict=True):
            seconds = self._time.click + self._time.draw_seconds * length
            count = int(np.ceil(seconds / longest))
            draft.deeds += [
                self._deed("stroke", seconds / count, rng, tool="brush", erase=is_erased)
                for _ in range(count)
            ]
        draft.mask = painted.mask

    def _click_deed(
        self, click: tuple[float, float, int], rng: np.random.Generator, after: float = 0.0
    ) -> Deed:
        x, y, label = click
        return self._deed("click", after + self._time.click, rng, x=x, y=y, label=label)

    def _deed(self, kind: str, seconds: float, rng: np.random.Generator, **data: Any) -> Deed:
        return Deed(kind=kind, seconds=self._time.taken(seconds, rng), data=data)


_Click = tuple[float, float, int]  # x, y, label


@dataclass(kw_only=True, eq=False)
class _Draft:
    """An object in the making: what the person sees on the screen, and what they did so far."""

    deeds: list[Deed]
    clicks: list[_Click] = field(default_factory=list)
    box: list[float] | None = None
    mask: BoolArray = field(default_factory=lambda: np.zeros((0, 0), dtype=np.bool_))
    logits: FloatArray | None = None
    iou: float = 0.0
    predicted_iou: float = 0.0
    num_asked: int = 0

    def ask(self, *, clicks: list[_Click], box: list[float] | None = None) -> Prompt:
        """The prompt of these clicks and box; the mask on the screen goes with clicks on it."""
        self.num_asked += 1
        table = np.array(clicks, dtype=np.float32).reshape(-1, 3)
        return Prompt(
            point_coords=table[:, :2] if clicks else None,
            point_labels=table[:, 2] if clicks else None,
            box=box,
            mask_input=self.logits if clicks else None,
        )

    def take(self, answer: Prediction, index: int, iou: float) -> None:
        """Show this answer."""
        self.mask = answer.masks[index]
        self.logits = answer.low_res_logits[index][None]
        self.iou = iou
        self.predicted_iou = float(answer.iou_predictions[index])

    def take_if_better(
        self, answer: Prediction, seen: BoolArray, clicks: list[_Click], box: list[float] | None
    ) -> float:
        """Show the answer unless it is worse; return how much IoU with `seen` it gained."""
        index = int(np.argmax(answer.iou_predictions))
        iou = float(masks_iou(answer.masks[index : index + 1], seen)[0])
        gain = iou - self.iou
        if gain >= 0:
            self.clicks, self.box = clicks, box
            self.take(answer, index, iou)
        return gain

    def finish(self, target: int) -> MadeMask:
        """The saved mask."""
        prompts = {
            "point_coords": [[x, y] for x, y, _ in self.clicks],
            "point_labels": [label for *_, label in self.clicks],
            "box": self.box,
        }
        return MadeMask(
            target=target,
            segmentation=Rle.from_mask(self.mask),
            deeds=tuple(self.deeds),
            prompts=prompts,
            predicted_iou=self.predicted_iou,
        )


def _aim(seen: BoolArray, mask: BoolArray, rng: np.random.Generator) -> _Click:
    """A click on the widest error, as well as people aim."""
    missed, wrong = find_peak(seen & ~mask), find_peak(mask & ~seen)
    if missed is None or (wrong is not None and wrong.distance > missed.distance):
        assert wrong is not None, "a mask that is clicked has an error"
        peak, label = wrong, PointLabel.BACKGROUND
    else:
        peak, label = missed, PointLabel.FOREGROUND
    x, y = rng.normal((peak.x, peak.y), 2 * peak.distance / _EFFECTIVE_WIDTH)
    height, width = seen.shape
    return float(np.clip(x, 0, width - 1)), float(np.clip(y, 0, height - 1)), int(label)


def _drag(seen: BoolArray, rng: np.random.Generator) -> list[float]:
    """A box about the object, its corners as far off as clicks are on a tenth of its sides."""
    x0, y0, x1, y1 = mask_to_box(seen).tolist()
    spread = 0.1 * np.array([x1 - x0, y1 - y0, x1 - x0, y1 - y0]) / _EFFECTIVE_WIDTH
    height, width = seen.shape
    corners = np.clip(rng.normal((x0, y0, x1, y1), spread), 0, (width, height, width, height))
    corners[2:] = np.maximum(corners[2:], corners[:2] + 1)
    return [float(corner) for corner in corners]
