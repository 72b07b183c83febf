"""The engine's plan: rounds, what each trains, what is held out, when a model is promoted.

Frozen values, kept as `engine/plan.json` in the studio's folder. The defaults are the paper's
numbers of rounds (Sec. 4) at the size of a small project.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from anymask.core.errors import InvalidInputError
from anymask.core.files import read_json, write_json
from anymask.training.settings import from_json

PLAN_FILE = "engine/plan.json"
CURRENT, RANDOM = "current", "random"


@dataclass(frozen=True, kw_only=True)
class RoundTraining:
    """How a round retrains the model.

    Attributes:
        preset: a training preset, whose model is trained; "" for the recipe of `anymask finetune`,
            of all weights of the current model.
        num_steps: of that recipe; a preset has its own stages.
        settings: changes of either, as FIELD=VALUE (see `anymask train --set`).
        init: first weights: "current", "random", or a model's name or file. A round that changes
            the model (the paper went from ViT-B to ViT-H) starts at random or from a file.
        data: "new" is the paper's: only what was annotated since the last model was promoted;
            "all" is everything so far.
    """

    preset: str = ""
    num_steps: int = 300
    settings: tuple[str, ...] = ()
    init: str = CURRENT
    data: Literal["new", "all"] = "new"

    def __post_init__(self) -> None:
        if not self.preset and self.init != CURRENT:
            raise InvalidInputError(
                f"training.init must be current without a preset, got {self.init!r}. "
                "Name the preset of the model that is trained."
            )


@dataclass(frozen=True, kw_only=True)
class TrainingChange:
    """From round `from_round` on, counted through all stages, `training` instead of the plan's."""

    from_round: int
    training: RoundTraining


@dataclass(frozen=True, kw_only=True)
class QueueOptions:
    """Which photos a round takes, and in which order people get them.

    Attributes:
        candidates_per_image: so many photos a place in the round are looked at by the model.
        need_fraction: of the round's photos, those that the model needs most; the others are drawn
            at random, so that the round's masks also tell of photos at large. 0 asks no model.
        points_per_side: of the grid of clicks that the need is measured with.
    """

    candidates_per_image: int = 3
    need_fraction: float = 0.5
    points_per_side: int = 6

    def __post_init__(self) -> None:
        _check_positive(self, "candidates_per_image", "points_per_side")
        if not 0 <= self.need_fraction <= 1:
            raise InvalidInputError(
                f"queue.need_fraction must be in [0, 1], got {self.need_fraction}. Try 0.5."
            )


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """Labelled photos that no round annotates, on which models are compared.

    Attributes:
        folders: sets, or folders of sets.
        max_images: of each set.
        max_masks_per_image: see the name.
    """

    folders: tuple[str, ...] = ()
    max_images: int = 40
    max_masks_per_image: int = 6

    def __post_init__(self) -> None:
        _check_positive(self, "max_images", "max_masks_per_image")


@dataclass(frozen=True, kw_only=True)
class Promotion:
    """When a new model takes the place of the current one.

    Attributes:
        rule: "not_worse": its mean score on the held-out masks fell by no more than `tolerance`;
            "better": the 95 % interval of the change, images resampled, lies above `-tolerance`;
            "always": whatever it scores.
        tolerance: of the mean IoU.
    """

    rule: Literal["not_worse", "better", "always"] = "not_worse"
    tolerance: float = 0.0


@dataclass(frozen=True, kw_only=True)
class EnginePlan:
    """What an engine does, from its first round to its data set.

    Attributes:
        model: to begin with, a name or a file; "" for the default one.
        manual_rounds: of stage 1.
        semi_automatic_rounds: of stage 2.
        images_per_round: photos that people get in a round.
        needs_review: whether a round is done once all its photos are accepted, not just submitted.
        training: of every round, but for `changes`.
        changes: other trainings, from a round on; the last that fits holds.
        queue: which photos a round takes.
        held_out: what models are compared on.
        promotion: when a model becomes the current one.
        detector: changes of the detector's settings, as FIELD=VALUE; `has_detector` says whether
            there is one, and masks that wait for people in stage 2.
        has_detector: see detector.
        automatic: changes of the automatic stage's settings, as FIELD=VALUE.
        has_automatic_stage: whether the photos that are left get masks from the model alone.
        final_training: a last training on everything, automatic masks included; none without.
        device: torch device of all of it.
        seed: of all that is drawn.
    """

    model: str = ""
    manual_rounds: int = 6
    semi_automatic_rounds: int = 5
    images_per_round: int = 50
    needs_review: bool = False
    training: RoundTraining = field(default_factory=RoundTraining)
    changes: tuple[TrainingChange, ...] = ()
    queue: QueueOptions = field(default_factory=QueueOptions)
    held_out: HeldOut = field(default_factory=HeldOut)
    promotion: Promotion = field(default_factory=Promotion)
    has_detector: bool = True
    detector: tuple[str, ...] = ()
    has_automatic_stage: bool = True
    automatic: tuple[str, ...] = ()
    final_training: RoundTraining | None = None
    device: str = "cpu"
    seed: int = 0

    def __post_init__(self) -> None:
        """Raise InvalidInputError for settings that are out of range or contradict each other."""
        _check_positive(self, "manual_rounds", "images_per_round")
        if self.semi_automatic_rounds < 0:
            raise InvalidInputError(
                f"semi_automatic_rounds must be at least 0, got {self.semi_automatic_rounds}."
            )
        if self.final_training is not None and not self.has_automatic_stage:
            raise InvalidInputError(
                "has_automatic_stage must be true with final_training, got false. Leave one out."
            )

    def check_promotion(self) -> None:
        """Raise InvalidInputError unless the rule of promotion has photos to go by."""
        if not self.held_out.folders and self.promotion.rule != "always":
            raise InvalidInputError(
                "held_out.folders must name labelled photos, got none. Give --held-out DIR, or set "
                "promotion.rule=always to take every new model unseen."
            )

    @property
    def num_rounds(self) -> int:
        """Rounds of stages 1 and 2."""
        return self.manual_rounds + self.semi_automatic_rounds

    def training_of(self, round_number: int) -> RoundTraining:
        """Return how that round trains, from 1; the one after the last is `final_training`."""
        if round_number > self.num_rounds and self.final_training is not None:
            return self.final_training
        fitting = [c.training for c in self.changes if c.from_round <= round_number]
        return fitting[-1] if fitting else self.training


def plan_from_json(value: Mapping[str, Any]) -> EnginePlan:
    """Return the plan of plain JSON data; defaults for what it lacks.

    Raises:
        InvalidInputError: a field is unknown, or a value is not allowed.
    """
    return from_json(EnginePlan, value)


def read_plan(file: str | Path) -> EnginePlan:
    """Return the plan in a JSON file.

    Raises:
        InvalidInputError: there is no such file, or it is no plan.
    """
    return plan_from_json(read_json(file))


def write_plan(plan: EnginePlan, folder: Path) -> None:
    """Keep the plan in the studio's folder; OutputError says why that fails."""
    write_json(folder / PLAN_FILE, dataclasses.asdict(plan))


def _check_positive(config: Any, *names: str) -> None:
    for name in names:
        if getattr(config, name) < 1:
            raise InvalidInputError(f"{name} must be at least 1, got {getattr(config, name)}.")
