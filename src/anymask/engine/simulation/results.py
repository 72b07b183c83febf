"""What a simulation found: rounds and claims, with intervals over seeds; and its JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from anymask.engine.held_out import ModelScores, compare_scores
from anymask.engine.simulation.measures import ModelMeasures


@dataclass(frozen=True, kw_only=True)
class RoundResult:
    """A round of one seed.

    Attributes:
        number: from 1 through both stages; 0 is the first model before any round, which has
            `score` and `measures` alone.
        stage: "start", "assisted-manual" or "semi-automatic", or "fully automatic" of the last
            model.
        score: of the model that is the current one after the round, on held-out photos.
        score_by_prompt: the same by prompt.
        is_promoted: whether the round's model became the current one.
        measures: of that current one.
        seconds_per_mask: of the round's masks that people made; alike the next two.
        clicks_per_mask: see there.
        brushed_share: see there.
        masks_per_image: those that were there before people came included.
        prefilled: masks that were there, those that people deleted included.
        prefill_precision: the share of them that people kept.
    """

    number: int
    stage: str
    score: float
    score_by_prompt: Mapping[str, float]
    measures: ModelMeasures
    is_promoted: bool | None = None
    seconds_per_mask: float | None = None
    clicks_per_mask: float | None = None
    brushed_share: float | None = None
    masks_per_image: float | None = None
    prefilled: int | None = None
    prefill_precision: float | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class SeedResult:
    """All that one seed gave; `before` and `after` are the loop's models on unseen sets."""

    seed: int
    rounds: tuple[RoundResult, ...]
    before: ModelScores | None
    after: ModelScores | None
    control: ModelScores | None
    automatic_images: int
    automatic_masks: int
    step_seconds: Mapping[str, float]

    def of_stage(self, stage: str) -> list[RoundResult]:
        """Return the rounds of a stage, in order."""
        return [found for found in self.rounds if found.stage == stage]


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A mean over seeds and its 95 % interval (Student's t); no interval of a single seed."""

    mean: float
    low: float | None
    high: float | None
    values: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One of the paper's claims about the loop, and whether it holds here.

    Attributes:
        text: the claim.
        unit: of the estimate.
        bar: what the estimate must reach.
        estimate: over the seeds.
    """

    text: str
    unit: str
    bar: float
    estimate: Estimate

    @property
    def holds(self) -> bool:
        """Whether the mean reaches the bar; a bar of 0 asks for more than nothing."""
        return self._is_reached_by(self.estimate.mean)

    @property
    def verdict(self) -> str:
        """What may be said: from the mean, and from the interval where there is one."""
        if not self.holds:
            return "does not hold here"
        is_sure = self.estimate.low is not None and self._is_reached_by(self.estimate.low)
        return "holds" if is_sure else "holds on average; the interval reaches below the bar"

    def _is_reached_by(self, value: float) -> bool:
        return value >= self.bar and value > 0


def estimate(values: Sequence[float]) -> Estimate:
    """Return the mean of the seeds' values with its interval."""
    mean = float(np.mean(values))
    if len(values) < 2:
        return Estimate(mean=mean, low=None, high=None, values=tuple(values))
    reach = float(stats.t.ppf(0.975, len(values) - 1) * stats.sem(values))
    return Estimate(mean=mean, low=mean - reach, high=mean + reach, values=tuple(values))


def claims(seeds: Sequence[SeedResult]) -> tuple[Claim, ...]:
    """Return the claims that these seeds can tell of."""
    manual, semi = "assisted-manual", "semi-automatic"
    found = [
        Claim(
            text="Seconds per mask fall by 30 % from the first to the last manual round",
            unit="% less",
            bar=30.0,
            estimate=estimate(
                [_fall([r.seconds_per_mask for r in s.of_stage(manual)]) for s in seeds]
            ),
        ),
        Claim(
            text="The same, measured on the same photos: by the model before the first round and "
            "the one after the last manual round",
            unit="% less",
            bar=30.0,
            estimate=estimate(
                [
                    _fall(
                        [
                            s.rounds[0].measures.seconds_per_mask,
                            s.of_stage(manual)[-1].measures.seconds_per_mask,
                        ]
                    )
                    for s in seeds
                ]
            ),
        ),
    ]
    if all(s.of_stage(semi) for s in seeds):
        rises = [
            _mean([r.masks_per_image for r in s.of_stage(semi)])
            - _mean([r.masks_per_image for r in s.of_stage(manual)])
            for s in seeds
        ]
        found.append(
            Claim(
                text="Masks per image are more in stage 2 than in stage 1",
                unit="masks",
                bar=0.0,
                estimate=estimate(rises),
            )
        )
    if all(s.before is not None and s.after is not None for s in seeds):
        gains = [100 * compare_scores(s.before, s.after).change for s in seeds]  # type: ignore[arg-type]
        found.append(
            Claim(
                text="The model after the loop beats the one before it on unseen sets",
                unit="points of mean IoU",
                bar=0.0,
                estimate=estimate(gains),
            )
        )
    return tuple(found)


def _fall(values: Sequence[float | None]) -> float:
    first, last = values[0], values[-1]
    assert first is not None, "a round has masks"
    assert last is not None, "a round has masks"
    return 100 * (1 - last / first)


def _mean(values: Sequence[float | None]) -> float:
    return float(np.mean([value for value in values if value is not None]))


def scores_json(scores: ModelScores | None) -> dict[str, Any] | None:
    """Return a model's scores as plain JSON data."""
    if scores is None:
        return None
    low, high = scores.interval()
    return {"mean": scores.mean, "low": low, "high": high, "by_prompt": scores.by_prompt()}
