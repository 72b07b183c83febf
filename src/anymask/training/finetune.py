"""Fine-tuning: a trained model, a small labelled folder, and care not to forget the rest.

It is promptable training (`sam_objective`) from given weights, of all of them, of the decoder, or
of low-rank adapters alone, that keeps the averaged weights of the best validation.
"""

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from torch import nn

from anymask.core.errors import InvalidInputError, UnknownNameError
from anymask.model.adapters import save_adapter
from anymask.model.checkpoints import load_sam, save_sam
from anymask.model.config import SamConfig
from anymask.model.lora import LoraConfig, LoraLayer, add_lora, merge_lora
from anymask.model.sam import Sam
from anymask.training.config import (
    AugmentConfig,
    LossConfig,
    OptimConfig,
    PromptConfig,
    Stage,
    TrainConfig,
)
from anymask.training.examples import Example
from anymask.training.progress import say
from anymask.training.regularization import set_regularization
from anymask.training.run_folder import RunFolder
from anymask.training.sam_objective import SamObjective

Mode = Literal["full", "decoder", "lora"]
ADAPTER_FILE = "adapter.safetensors"
MIN_HELD_OUT = 2  # images; with one, the choice of the best weights is a draw of lots
# What the best weights are chosen by: people ask in all these ways.
_SCORED = ("box", "click", "clicks_3")
_LEARNING_RATES = {"full": 5e-5, "decoder": 2e-4, "lora": 5e-4}
_VALIDATIONS = 10  # in a run that is not stopped early


@dataclass(frozen=True, kw_only=True)
class FinetuneConfig(TrainConfig):
    """A fine-tuning run: a training run that starts from given weights.

    Attributes:
        base_id: the id of the model that is fine-tuned (`load_sam`).
        mode: "lora" trains low-rank adapters; "decoder" the prompt encoder and the mask decoder;
            "full" everything.
        lora: the adapters; used by "lora" only.
        patience: the run ends after so many validations without a better one.
    """

    base_id: str
    mode: Mode = "lora"
    lora: LoraConfig = field(default_factory=LoraConfig)
    patience: int = 4

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_mode(self.mode)
        if self.patience < 1:
            raise InvalidInputError(f"patience must be 1 or more, got {self.patience}. Raise it.")


def finetune_config(
    model: SamConfig,
    base_id: str,
    *,
    mode: Mode = "lora",
    lora: LoraConfig | None = None,
    num_steps: int = 300,
    validation_fraction: float = 0.2,
    seed: int = 0,
) -> FinetuneConfig:
    """The recipe for a small set: a low rate, mild augmentation, averaged weights.

    Args:
        model: of the base.
        base_id: of the base.
        mode: what is trained.
        lora: the adapters.
        num_steps: of 4 images each, or of one where they are large (over 512 pixels); fewer are
            run when the validation does not improve any more.
        validation_fraction: of the images, by a hash of their names; 0 with a folder of their own.
        seed: of data order, prompts and adapters.

    Raises:
        InvalidInputError: a value out of range.
        UnknownNameError: another mode.
    """
    _check_mode(mode)
    batch_size = 4 if model.image_size <= 512 else 1
    if num_steps < 1:
        raise InvalidInputError(f"steps must be 1 or more, got {num_steps}. Raise it.")
    every = math.ceil(num_steps / _VALIDATIONS)
    return FinetuneConfig(
        model=model.name,
        base_id=base_id,
        mode=mode,
        lora=lora or LoraConfig(),
        stages=(Stage(end_step=num_steps, image_size=model.image_size, batch_size=batch_size),),
        min_mask_fraction=0.0003,  # of small things there is often nothing else
        seed=seed,
        validation_fraction=validation_fraction,
        validate_every=every,
        checkpoint_every=every,
        augment=AugmentConfig(
            min_scale=0.8, max_scale=1.5, full_view_probability=0.3, color_jitter=0.2
        ),
        # With a few names, mostly of what is there, the text prompts would learn to say yes.
        prompts=PromptConfig(text_probability=0.0),
        loss=LossConfig(text_link_weight=0.0),
        optim=OptimConfig(
            learning_rate=_LEARNING_RATES[mode],
            weight_decay=0.01,
            warmup_steps=min(20, num_steps // 5),
            decay_fraction=0.5,
            max_gradient_norm=1.0,
            ema_decay=0.98,
        ),
    )


class FinetuneObjective(SamObjective):
    """Promptable segmentation from the weights of a trained model; run it with `loop.train`.

    The run folder's `weights.safetensors` is a whole model, that of the best validation; with
    "lora" there is `adapter.safetensors` beside it. Give `is_done` to the loop to stop early.

    Args:
        config: the run.
        data_folders: sets, or folders of sets, to learn from.
        init: the model that is fine-tuned, a name or a path.
        validation_folders: to validate on, instead of a part of `data_folders`.

    Raises:
        InvalidInputError: no usable images, too few to validate on, or some in both parts.
    """

    config: FinetuneConfig
    may_change = (*SamObjective.may_change, "patience")

    def __init__(
        self,
        config: FinetuneConfig,
        data_folders: list[Path],
        init: str | None,
        validation_folders: list[Path] | None = None,
    ) -> None:
        super().__init__(config, data_folders, init, validation_folders)
        check_apart(self.train_examples, self.held_out)

    def build_model(self) -> Sam:
        """The base with the trainable part as the mode says; the rest is frozen."""
        model, model_id = load_sam(self._init)
        if model_id != self.config.base_id:
            raise InvalidInputError(
                f"init must be {self.config.base_id}, the model that this run fine-tunes, "
                f"got {model_id}. Use its weights or another --output."
            )
        prepare_model(model, self.config)
        say(describe_trained(model))
        set_regularization(model, self.config)
        return model

    def validate(self, model: nn.Module, folder: RunFolder, step: int) -> dict[str, float]:
        """The scores of held-out images; the weights are written when they are the best so far.

        Raises:
            InvalidInputError: all held-out masks are too small or too large to be used.
        """
        assert isinstance(model, Sam)
        scores = super().validate(model, folder, step)
        if not scores:
            raise InvalidInputError(
                f"validation images must hold a mask over {self.config.min_mask_fraction:.2%} and "
                f"under {self.config.max_mask_fraction:.0%} of the model's input, got none. "
                "Hold out more, or lower min_mask_fraction."
            )
        scores["score"] = sum(scores[name] for name in _SCORED) / len(_SCORED)
        if scores["score"] > max(_scores(folder), default=-math.inf):
            self._write(model, folder.weights_path)
        return scores

    def save_weights(self, model: nn.Module, path: Path) -> None:
        """Nothing once there are weights of a validation, the best of which are kept."""
        assert isinstance(model, Sam)
        if not path.exists():
            self._write(model, path)

    def _text_dim(self) -> int:
        return load_sam(self._init)[0].config.text_dim

    def is_done(self, folder: RunFolder) -> bool:
        """Whether the last `patience` validations were no better than the best before them."""
        scores = _scores(folder)
        best = scores.index(max(scores)) if scores else 0
        return len(scores) - 1 - best >= self.config.patience

    def _write(self, model: Sam, path: Path) -> None:
        if self.config.mode == "lora":
            lora, base_id = self.config.lora, self.config.base_id
            save_adapter(model, path.with_name(ADAPTER_FILE), config=lora, base_id=base_id)
            merge_lora(model)
        save_sam(model, path, metadata={"fine_tuned_from": self.config.base_id})


def prepare_model(model: Sam, config: FinetuneConfig) -> None:
    """Freezes, in place, what the mode does not train; "lora" adds the adapters.

    Raises:
        InvalidInputError: the adapters' modules are not in the model.
    """
    if config.mode == "lora":
        add_lora(model, config.lora, seed=config.seed)
    elif config.mode == "decoder":
        model.requires_grad_(False)
        model.prompt_encoder.requires_grad_(True)
        model.mask_decoder.requires_grad_(True)


def describe_trained(model: Sam) -> str:
    """One line: how many of the model's parameters are trained."""
    counts = [(p.numel(), p.requires_grad) for p in model.parameters()]
    trained, total = sum(n for n, is_trained in counts if is_trained), sum(n for n, _ in counts)
    layers = sum(isinstance(module, LoraLayer) for module in model.modules())
    adapters = f", in adapters of {layers} layers" if layers else ""
    return f"training {trained:,} of {total:,} parameters ({trained / total:.1%}){adapters}"


def check_apart(train_examples: Iterable[Example], held_out: tuple[Example, ...]) -> None:
    """Makes sure that there is something to validate on, and that it is not learned from.

    Raises:
        InvalidInputError: fewer than two held-out images, or one whose file is also trained on,
            under whatever name.
    """
    if len(held_out) < MIN_HELD_OUT:
        raise InvalidInputError(
            f"validation must have {MIN_HELD_OUT} labelled images or more, got {len(held_out)}. "
            "Give a folder with --val, or hold out more with --val-fraction."
        )
    trained = {_digest(example): example.label for example in train_examples}
    shared = [
        (example.label, trained[digest])
        for example, digest in ((example, _digest(example)) for example in held_out)
        if digest in trained
    ]
    if shared:
        raise InvalidInputError(
            f"validation images must not be trained on, got {shared[0][0]}, which is also "
            f"{shared[0][1]} ({len(shared)} in all). Take them out of one folder, "
            "or leave out --val to hold out a part."
        )


def _check_mode(mode: str) -> None:
    if mode not in _LEARNING_RATES:
        raise UnknownNameError("mode", mode, tuple(_LEARNING_RATES))


def _digest(example: Example) -> bytes:
    return hashlib.sha256(example.read_bytes()).digest()


def _scores(folder: RunFolder) -> list[float]:
    return [float(row["val_score"]) for row in folder.read_log() if "val_score" in row]
