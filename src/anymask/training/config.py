"""What a training run is made of: frozen values, written as JSON beside its checkpoints."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeVar

from anymask.core.errors import InvalidInputError, UnknownNameError

_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """Random geometry and colour; scales are relative to "the longest side fills the input"."""

    min_scale: float = 0.7
    max_scale: float = 2.0
    full_view_probability: float = 0.25  # scale exactly 1: what the predictor will see
    flip_probability: float = 0.5
    color_jitter: float = 0.3
    grey_probability: float = 0.05


@dataclass(frozen=True, kw_only=True)
class PromptConfig:
    """The simulated annotator (App. A, "Training algorithm").

    Attributes:
        box_probability: start from a box rather than from a point.
        box_noise_fraction: standard deviation of a box corner, as a part of the box's side.
        box_noise_max_px: upper bound of the noise, at a 1024-pixel input; scaled with the input.
        min_rounds, max_rounds: prompt rounds after the first, drawn per step.
        graded_rounds: how many of the last rounds carry gradients beside the first; the paper
            grades all of them, a small budget is better spent on more images (RITM does so).
        blank_probability: a middle round repeats the prompts and only feeds the mask back.
        interior_probability: a click is drawn from the inside of its region, as people click,
            rather than uniformly.
    """

    box_probability: float = 0.5
    box_noise_fraction: float = 0.1
    box_noise_max_px: float = 20.0
    min_rounds: int = 1
    max_rounds: int = 4
    graded_rounds: int = 1
    blank_probability: float = 0.1
    interior_probability: float = 0.6


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """The loss (App. A, "Losses") and where the small recipe departs from it.

    Attributes:
        mask_loss: "focal" is the paper's mean over pixels; "normalized_focal" divides by the sum
            of the focal weights (use a focal_weight near 1), so that small objects and nearly
            finished masks still teach; it learned more slowly from scratch (docs/experiments.md).
        focal_weight, dice_weight, iou_weight: the paper has 20 : 1 : 1.
        other_masks_weight: share of the loss of the masks that did not win; 0 is the paper's
            minimum. Without it a small model's three masks collapse into the one that wins first.
        supervise_all_ious: every mask's IoU prediction learns, not only the winner's; ranking
            needs it.
        affinity_weight: of an auxiliary loss on the encoder's stride-8 features: the cells of a
            target should resemble a cell clicked inside it. It reaches the encoder directly, long
            before the decoder has learned what to ask of it. Ignored without such features.
    """

    mask_loss: Literal["focal", "normalized_focal"] = "focal"
    focal_weight: float = 20.0
    dice_weight: float = 1.0
    iou_weight: float = 1.0
    other_masks_weight: float = 0.15
    supervise_all_ious: bool = True
    affinity_weight: float = 0.5


@dataclass(frozen=True, kw_only=True)
class OptimConfig:
    """AdamW with warm-up, a plateau, and a linear way down over the last part of the run."""

    learning_rate: float = 4e-4
    weight_decay: float = 0.05
    betas: tuple[float, float] = (0.9, 0.999)
    warmup_steps: int = 300
    decay_fraction: float = 0.35
    max_gradient_norm: float = 3.0
    ema_decay: float = 0.999


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A stretch of the run: until step `end_step`, images of this size in batches of this size."""

    end_step: int
    image_size: int
    batch_size: int


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """A whole run. Two runs with equal configs, data and threads on a CPU are bit-identical."""

    model: str
    stages: tuple[Stage, ...]
    masks_per_image: int = 4
    min_mask_fraction: float = 0.0008  # of the input's area; smaller targets are not drawn
    max_mask_fraction: float = 0.9  # Sec. 5 / App. A: masks over 90 % of the image are dropped
    seed: int = 0
    validation_fraction: float = 0.03
    validate_every: int = 500
    checkpoint_every: int = 200
    num_loader_threads: int = 1
    dtype: Literal["float32", "bfloat16"] = "bfloat16"
    set_weights: tuple[tuple[str, float], ...] = ()  # how much more often a set is drawn
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    prompts: PromptConfig = field(default_factory=PromptConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)

    def __post_init__(self) -> None:
        ends = [stage.end_step for stage in self.stages]
        if not ends or ends != sorted(ends):
            raise InvalidInputError(
                f"stages must end in increasing order, got end_step {ends}. Sort them."
            )

    @property
    def num_steps(self) -> int:
        """Steps of the whole run."""
        return self.stages[-1].end_step

    def stage_at(self, step: int) -> Stage:
        """The stage that step (from 0) belongs to."""
        return next((s for s in self.stages if step < s.end_step), self.stages[-1])

    def to_json(self) -> dict[str, Any]:
        """The configuration as plain JSON values."""
        return dataclasses.asdict(self)

    def with_setting(self, path: str, text: str) -> "TrainConfig":
        """A copy with the dotted field `path` set from `text`, e.g. "optim.learning_rate", "1e-4".

        Raises:
            UnknownNameError: no such field; the text lists the valid ones.
            InvalidInputError: the text is not of the field's type.
        """
        return _replaced(self, path.split("."), text, path)


def _replaced(config: _T, path: list[str], text: str, full_path: str) -> _T:
    assert dataclasses.is_dataclass(config)
    assert not isinstance(config, type)
    names = [f.name for f in dataclasses.fields(config)]
    if path[0] not in names:
        raise UnknownNameError("setting", full_path, names)
    current = getattr(config, path[0])
    if len(path) > 1 and dataclasses.is_dataclass(current):
        value: Any = _replaced(current, path[1:], text, full_path)
    elif path[0] == "stages":
        value = _parse_stages(text)
    elif path[0] == "set_weights":
        value = _parse_set_weights(text)
    elif isinstance(current, bool):
        value = {"true": True, "false": False}.get(text.lower())
    elif isinstance(current, (int, float, str)):
        try:
            value = type(current)(text)
        except ValueError:
            value = None
    else:
        value = None
    if value is None:
        raise InvalidInputError(
            f"{full_path} must be like {current!r}, got {text!r}. Give one value of that type."
        )
    return dataclasses.replace(config, **{path[0]: value})


def _parse_stages(text: str) -> tuple[Stage, ...] | None:
    """(end step, image size, batch size) triples from "2000:256:16,3000:384:8"."""
    try:
        rows = [[int(n) for n in part.split(":")] for part in text.split(",")]
        return tuple(Stage(end_step=a, image_size=b, batch_size=c) for a, b, c in rows)
    except ValueError:
        return None


def _parse_set_weights(text: str) -> tuple[tuple[str, float], ...] | None:
    """(set, weight) pairs from "coco:3,pets:0.5"."""
    try:
        pairs = [part.rsplit(":", 1) for part in text.split(",")]
        return tuple((name, float(weight)) for name, weight in pairs)
    except ValueError:
        return None


def config_from_json(value: Mapping[str, Any]) -> TrainConfig:
    """The configuration that `TrainConfig.to_json` wrote.

    Raises:
        InvalidInputError: a field is missing or unknown.
    """
    try:
        fields = dict(value)
        fields["stages"] = tuple(Stage(**s) for s in fields["stages"])
        fields["set_weights"] = tuple((str(n), float(w)) for n, w in fields["set_weights"])
        fields["augment"] = AugmentConfig(**fields["augment"])
        fields["prompts"] = PromptConfig(**fields["prompts"])
        fields["loss"] = LossConfig(**fields["loss"])
        optim = dict(fields["optim"])
        optim["betas"] = tuple(optim["betas"])
        fields["optim"] = OptimConfig(**optim)
        return TrainConfig(**fields)
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidInputError(f"the training configuration does not fit: {error}") from None
