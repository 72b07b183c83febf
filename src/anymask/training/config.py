"""What a training run is made of: frozen values, written as JSON beside its checkpoints."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal

from anymask.core.errors import InvalidInputError
from anymask.training import settings


@dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """Random geometry and colour; scales are relative to "the longest side fills the input".

    Attributes:
        min_scale, max_scale: the bounds of the scale; 0.1 and 2.0 are the paper's large-scale
            jitter.
        scale_distribution: "log_uniform" halves as often as it doubles; "uniform" is large-scale
            jitter as published (Ghiasi et al. 2021), half of whose draws enlarge.
        full_view_probability: of a scale of exactly 1: what the predictor will see.
        close_up_probability: of a view of one mask's surroundings, as a model sees that looks again
            at small objects (`inference/close_up.py`); only of masks whose box is smaller than
            `max_close_up_fraction` of the image's longer side.
        max_close_up_fraction: see there.
        min_close_up_margin, max_close_up_margin: the surroundings' sides by the box's.
        flip_probability: of a left-right flip.
        color_jitter: strength of brightness, contrast, saturation and tint; 0 for none.
        grey_probability: of a picture without colour.
        paste_probability: of 1 to `max_pasted` objects of another example pasted on top, which
            become targets themselves (copy-paste, Ghiasi et al. 2021).
        max_pasted: most objects pasted into one image.
    """

    min_scale: float = 0.7
    max_scale: float = 2.0
    scale_distribution: Literal["log_uniform", "uniform"] = "log_uniform"
    full_view_probability: float = 0.25
    close_up_probability: float = 0.0
    max_close_up_fraction: float = 0.3
    min_close_up_margin: float = 1.8
    max_close_up_margin: float = 4.5
    flip_probability: float = 0.5
    color_jitter: float = 0.3
    grey_probability: float = 0.05
    paste_probability: float = 0.0
    max_pasted: int = 2

    def __post_init__(self) -> None:
        settings.check_probabilities(self)
        if not 0 < self.min_scale <= self.max_scale:
            raise InvalidInputError(
                f"min_scale must be above 0 and at most max_scale, got {self.min_scale} and "
                f"{self.max_scale}. Swap or change them."
            )
        if not 1 <= self.min_close_up_margin <= self.max_close_up_margin:
            raise InvalidInputError(
                f"min_close_up_margin must be at least 1 and at most max_close_up_margin, got "
                f"{self.min_close_up_margin} and {self.max_close_up_margin}. Swap or change them."
            )


@dataclass(frozen=True, kw_only=True)
class PromptConfig:
    """The simulated annotator (App. A, "Training algorithm").

    Attributes:
        box_probability: start from a box rather than from a point.
        box_noise: "gaussian" is the paper's; "uniform" is what SAM 2's code does and calls SAM's
            default, so that a corner is as often 20 as 2 pixels off.
        box_noise_fraction: standard deviation (or, uniform, the bound) of a box corner, as a part
            of the box's side.
        box_noise_max_px: upper bound of the noise, at a 1024-pixel input; scaled with the input.
        min_rounds, max_rounds: prompt rounds after the first, drawn per step.
        graded_rounds: how many of the last rounds carry gradients beside the first; the paper
            grades all of them, a small budget is better spent on more images (RITM does so).
        blank_rounds: which rounds repeat the prompts and only feed the mask back. "paper": one at a
            random place among the clicks, and the last; both count as rounds. "chance": each
            middle round with `blank_probability`, as a fixed pair is many of few rounds.
        blank_probability: see blank_rounds.
        interior_probability: a click is drawn from the inside of its region, as people click,
            rather than uniformly, as in the paper.
        truth_probability: a later click is drawn from the target instead of from the error (SAM 2:
            0.1), so that the model also meets clicks that tell it nothing new.
        all_right_click: the next click where nothing is wrong: "confirm" is one more inside the
            target; "background" is one outside, as in SAM 2, where there is any outside.
        text_probability: a target with a text embedding is also asked for by it, beside its points.
        text_alone_probability: it is asked for by that alone at first; clicks follow (App. D.5).
    """

    box_probability: float = 0.5
    box_noise: Literal["gaussian", "uniform"] = "gaussian"
    box_noise_fraction: float = 0.1
    box_noise_max_px: float = 20.0
    min_rounds: int = 1
    max_rounds: int = 4
    graded_rounds: int = 1
    blank_rounds: Literal["chance", "paper"] = "chance"
    blank_probability: float = 0.1
    interior_probability: float = 0.6
    truth_probability: float = 0.0
    all_right_click: Literal["confirm", "background"] = "confirm"
    text_probability: float = 0.25
    text_alone_probability: float = 0.0

    def __post_init__(self) -> None:
        settings.check_probabilities(self)
        if self.text_probability + self.text_alone_probability > 1:
            raise InvalidInputError(
                "text_probability and text_alone_probability must sum to at most 1, got "
                f"{self.text_probability:g} and {self.text_alone_probability:g}. Lower one."
            )
        fewest = 2 if self.blank_rounds == "paper" else 1
        if not fewest <= self.min_rounds <= self.max_rounds:
            raise InvalidInputError(
                f"min_rounds must be at least {fewest} and at most max_rounds, got "
                f"{self.min_rounds} and {self.max_rounds}. Change them."
            )
        if self.graded_rounds < 1:
            raise InvalidInputError(
                f"graded_rounds must be at least 1, got {self.graded_rounds}. "
                "Give max_rounds to grade all of them."
            )


@dataclass(frozen=True, kw_only=True)
class TextConfig:
    """What stands for text in training; for models with a `text_dim` only.

    Attributes:
        source: "names" takes the sentence embedding of a target's name; "clip_crops" is the paper's
            (App. D.5): CLIP's embedding of its crop, which is near that of words for it.
        clip: a folder, or a name in the hub's cache on this machine.
        crop_size: side of a crop in pixels, CLIP's own.
        min_area: targets of fewer pixels of the original image have no embedding.
        max_expansion: the crop is this much larger than the target's box, at most.
        hide_background_probability: what is not the target is blanked.
    """

    source: Literal["names", "clip_crops"] = "names"
    clip: str = "openai/clip-vit-large-patch14-336"
    crop_size: int = 336
    min_area: int = 100**2
    max_expansion: float = 2.0
    hide_background_probability: float = 0.5

    def __post_init__(self) -> None:
        settings.check_probabilities(self)
        if self.source not in ("names", "clip_crops"):
            raise InvalidInputError(
                f"text.source must be names or clip_crops, got {self.source!r}. Choose one."
            )
        if self.crop_size < 1 or self.max_expansion < 1:
            raise InvalidInputError(
                "text.crop_size and text.max_expansion must be at least 1, got "
                f"{self.crop_size} and {self.max_expansion:g}."
            )


@dataclass(frozen=True, kw_only=True)
class StreamConfig:
    """How archives (SA-1B's shards) are read; nothing of it matters to labelled folders.

    Attributes:
        num_lanes: archives that are open at a time, over all processes; fewer where a batch has
            fewer rows. A multiple of the number of processes lets each read its own only.
        buffer_size: images that each lane holds to shuffle, some MB each.
        fraction: of the rows of a batch, where there are labelled folders as well.
        max_validation_images: of those that `validation_fraction` holds out of the first archive;
            of the others nothing is held out.
    """

    num_lanes: int = 16
    buffer_size: int = 64
    fraction: float = 0.5
    max_validation_images: int = 48

    def __post_init__(self) -> None:
        if self.num_lanes < 1 or self.buffer_size < 2:
            raise InvalidInputError(
                "stream.num_lanes must be 1 or more and stream.buffer_size 2 or more, got "
                f"{self.num_lanes} and {self.buffer_size}. Raise them."
            )
        if not 0 <= self.fraction <= 1:
            raise InvalidInputError(
                f"stream.fraction must be in [0, 1], got {self.fraction}. Change the setting."
            )


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """The loss (App. A, "Losses") and where the small recipe departs from it.

    Attributes:
        mask_loss: "focal" is the paper's mean over pixels; "normalized_focal" divides by the sum
            of the focal weights (use a focal_weight near 1), so that small objects and nearly
            finished masks still teach; it learned more slowly from scratch (docs/experiments.md).
        focal_alpha: weight of the target's cells in the focal loss, the rest having one minus it
            (Lin et al. and SAM 2: 0.25); None, both the same: the paper does not say.
        focal_weight, dice_weight, iou_weight: the paper has 20 : 1 : 1.
        single_mask_weight: of the single-mask token's answer to the first prompt, so that users may
            ask it for boxes; 0 is the paper's, where it answers several prompts only.
        other_masks_weight: share of the loss of the masks that did not win; 0 is the paper's
            minimum. Without it a small model's three masks collapse into the one that wins first.
        supervise_all_ious: every mask's IoU prediction learns, not only the winner's; ranking
            needs it.
        iou_error: "squared" is the paper's; "absolute" (SAM 2) aims at the median, not the mean.
        text_link_weight: of the text link's loss (models with a text link and data with names).
        affinity_weight: of an auxiliary loss on the encoder's stride-8 features: the cells of a
            target should resemble a cell clicked inside it. It reaches the encoder directly, long
            before the decoder has learned what to ask of it. Ignored without such features.
    """

    mask_loss: Literal["focal", "normalized_focal"] = "focal"
    focal_alpha: float | None = None
    focal_weight: float = 20.0
    dice_weight: float = 1.0
    iou_weight: float = 1.0
    single_mask_weight: float = 0.5
    other_masks_weight: float = 0.15
    supervise_all_ious: bool = True
    iou_error: Literal["absolute", "squared"] = "absolute"
    text_link_weight: float = 0.3
    affinity_weight: float = 0.5


@dataclass(frozen=True, kw_only=True)
class OptimConfig:
    """AdamW, its learning-rate schedule, and the average of the weights.

    Attributes:
        learning_rate: at its highest, after the warm-up.
        layer_decay: every earlier layer of the image encoder learns this factor slower than the
            next (Bao et al. 2022); 1 for all alike. For encoders that start from MAE.
        weight_decay: of matrices and kernels; biases, norms and embeddings have none.
        betas: of AdamW.
        warmup_steps: linear warm-up from near 0.
        schedule: after it, "linear": a plateau, then a straight way down to a hundredth over the
            last `decay_fraction` of the run; "step": times `milestone_factor` at each of
            `milestones` (the paper's); "cosine": half a cosine down to 0.
        decay_fraction, milestones, milestone_factor: see schedule.
        max_gradient_norm: gradients longer than this are shortened to it.
        ema_decay: of the moving average that is validated and saved; 0 saves the weights as they
            are.
    """

    learning_rate: float = 4e-4
    layer_decay: float = 1.0
    weight_decay: float = 0.05
    betas: tuple[float, float] = (0.9, 0.999)
    warmup_steps: int = 300
    schedule: Literal["linear", "step", "cosine"] = "linear"
    decay_fraction: float = 0.35
    milestones: tuple[int, ...] = ()
    milestone_factor: float = 0.1
    max_gradient_norm: float = 3.0
    ema_decay: float = 0.999

    def __post_init__(self) -> None:
        if not 0 < self.layer_decay <= 1:
            raise InvalidInputError(
                f"layer_decay must be above 0 and at most 1, got {self.layer_decay}. "
                "Give 1 to let all layers learn alike."
            )
        rising = all(a < b for a, b in pairwise(self.milestones))
        if not rising or (self.schedule == "step" and not self.milestones):
            raise InvalidInputError(
                f"milestones must be rising steps, got {self.milestones}. "
                'The schedule "step" needs at least one.'
            )


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A stretch of the run: until step `end_step`, images of this size in batches of this size."""

    end_step: int
    image_size: int
    batch_size: int


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """A whole run. Two runs with equal configs, data and threads on a CPU are bit-identical.

    Attributes:
        model: a model preset.
        stages: stretches of image and batch sizes; the last one's end is the run's.
        masks_per_image: targets drawn from each image.
        masks_per_chunk: at most so many targets of a process are decoded at a time, for the same
            gradients in less memory (the encoder still runs once); 0 for all at once.
        min_mask_fraction, max_mask_fraction: of the area of the (padded) input; smaller and larger
            targets are not drawn.
        max_image_fraction: of the whole photograph's area; larger masks are not drawn. App. A
            drops those over 0.9; the default bounds what is left in a view instead.
        drop_path, decoder_dropout: while training; None leaves the model's own. The model that is
            saved has the identity of its preset whatever they are.
        trained_part: "text_link" teaches that part alone, on the frozen rest.
        seed: of data order, prompts and first weights.
        validation_fraction: share of the images that is held out, by a hash of their names.
        validate_every, checkpoint_every: in steps.
        num_loader_threads: that make batches ahead of time.
        dtype: of the computation; weights and their averages are float32.
        set_weights: how much more often an image of a set is drawn.
        set_size_power: a set of n images is drawn with n to this power; 1 draws every image
            equally often, less lets small sets be heard.
    """

    model: str
    stages: tuple[Stage, ...]
    masks_per_image: int = 4
    masks_per_chunk: int = 0
    min_mask_fraction: float = 0.0008
    max_mask_fraction: float = 0.9
    max_image_fraction: float = 1.0
    drop_path: float | None = None
    decoder_dropout: float | None = None
    trained_part: Literal["all", "text_link"] = "all"
    seed: int = 0
    validation_fraction: float = 0.03
    validate_every: int = 500
    checkpoint_every: int = 200
    num_loader_threads: int = 1
    dtype: Literal["float32", "bfloat16"] = "bfloat16"
    set_weights: tuple[tuple[str, float], ...] = ()
    set_size_power: float = 0.75
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    prompts: PromptConfig = field(default_factory=PromptConfig)
    text: TextConfig = field(default_factory=TextConfig)
    stream: StreamConfig = field(default_factory=StreamConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)

    def __post_init__(self) -> None:
        ends = [stage.end_step for stage in self.stages]
        if not ends or ends != sorted(ends):
            raise InvalidInputError(
                f"stages must end in increasing order, got end_step {ends}. Sort them."
            )
        for name in ("drop_path", "decoder_dropout"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < 1:
                raise InvalidInputError(f"{name} must be in [0, 1), got {value}. Lower it.")

    @property
    def num_steps(self) -> int:
        """Steps of the whole run."""
        return self.stages[-1].end_step

    def stage_at(self, step: int) -> Stage:
        """The stage that step (from 0) belongs to."""
        return next((s for s in self.stages if step < s.end_step), self.stages[-1])

    def batch_size_at(self, step: int) -> int:
        """Images of the batch of a step, over all processes."""
        return self.stage_at(step).batch_size

    def to_json(self) -> dict[str, Any]:
        """The configuration as plain JSON values."""
        return dataclasses.asdict(self)

    def with_setting(self, path: str, text: str) -> "TrainConfig":
        """A copy with the dotted field `path` set from `text`, e.g. "optim.learning_rate", "1e-4".

        Raises:
            UnknownNameError: no such field or choice; the text lists the valid ones.
            InvalidInputError: the text is not of the field's type.
        """
        return settings.with_setting(self, path, text)


def config_from_json(value: Mapping[str, Any]) -> TrainConfig:
    """The configuration that `TrainConfig.to_json` wrote.

    Raises:
        InvalidInputError: a field is missing or unknown.
    """
    return settings.from_json(TrainConfig, value)
