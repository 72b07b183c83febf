"""Promptable segmentation as an objective: what `anymask train` runs."""

import math
from collections.abc import Callable, Generator, Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from anymask.model.checkpoints import save_sam
from anymask.model.presets import preset as model_preset
from anymask.model.sam import Sam
from anymask.training.batches import TrainBatch, batches, make_validation_batch
from anymask.training.blame import blame
from anymask.training.config import TrainConfig
from anymask.training.distributed import Scale
from anymask.training.examples import Example, ImageCache, read_examples
from anymask.training.init_model import init_model
from anymask.training.loop import train
from anymask.training.progress import say
from anymask.training.regularization import set_regularization
from anymask.training.run_folder import RunFolder
from anymask.training.share import Share
from anymask.training.step import step_draws, training_losses
from anymask.training.streaming import held_out_examples, longest_cached_side, read_data
from anymask.training.text_prompts import build_text_source, load_vocabulary
from anymask.training.validation import validate
from anymask.training.validation_picture import draw_validation

_VALIDATION_IMAGES_A_BATCH = 12


class SamObjective:
    """Learns masks from simulated prompts on labelled photographs.

    Args:
        config: the run.
        data_folders: sets, folders of sets, or archives of SA-1B's form; see `read_data`.
        init: weights to start from (a name or path), random otherwise; see `init_model`.
        validation_folders: sets to validate on, all of them and instead of a part of
            `data_folders` (give the configuration a validation_fraction of 0).
    """

    may_change: tuple[str, ...] = (
        "stages",
        "validate_every",
        "checkpoint_every",
        "num_loader_threads",
    )

    def __init__(
        self,
        config: TrainConfig,
        data_folders: Sequence[str | Path],
        init: str | None = None,
        validation_folders: list[Path] | None = None,
    ) -> None:
        self.config = config
        self._init = init
        self._cache = ImageCache(longest_side=longest_cached_side(config))
        self._examples, self._held_out = read_data(data_folders, config)
        self._streamed_held_out: tuple[Example, ...] | None = None
        text_dim = self._text_dim()
        names = (name for example in self.train_examples for name in example.names)
        self._vocabulary = load_vocabulary(config, text_dim, names)
        self._text_source = build_text_source(config.text, text_dim, self._vocabulary)
        if validation_folders:
            apart, _ = read_examples(validation_folders, validation_fraction=0.0, set_weights={})
            self._held_out = apart.examples

    @property
    def train_examples(self) -> tuple[Example, ...]:
        """What is learned from."""
        return self._examples.examples

    @property
    def held_out(self) -> tuple[Example, ...]:
        """What is validated on."""
        return self._held_out

    def build_model(self) -> Sam:
        """The configured preset with its first weights."""
        model, fresh = init_model(model_preset(self.config.model), self._init, self.config.seed)
        if fresh:
            say(f"{self._init} lacks parts of {self.config.model}; random: {', '.join(fresh)}")
        set_regularization(model, self.config)
        return model

    def batches(self, first_step: int, share: Share) -> Generator[TrainBatch]:
        """See `Objective.batches`."""
        yield from batches(self._examples, self._cache, self.config, first_step, share)

    def losses(
        self, model: nn.Module, batch: TrainBatch, step: int, share: Share
    ) -> dict[str, Tensor]:
        """The terms of `training_losses`, and "target_losses" (P,) for `describe`."""
        assert isinstance(model, Sam)
        B, each = self.config.batch_size_at(step), self.config.masks_per_image
        draws = step_draws(
            self.config.seed, step, num_targets=B * each, first=share.rows(B).start * each
        )
        losses = training_losses(
            model, batch, self.config, draws, self._vocabulary, self._text_source
        )
        return losses.terms() | {"target_losses": losses.target_losses()}

    def describe(self, batch: TrainBatch, losses: Mapping[str, Tensor]) -> str:
        """The images whose targets have a loss that is not finite."""
        return blame(losses["target_losses"], batch)

    def sizes(self, batch: TrainBatch) -> dict[str, int]:
        """Images and targets of a batch."""
        return {"num_images": batch.images.shape[0], "num_masks": len(batch.image_index)}

    def validate(self, model: nn.Module, folder: RunFolder, step: int) -> dict[str, float]:
        """Mean IoU of held-out images by prompt, and a picture of the first of them."""
        assert isinstance(model, Sam)
        loaded = self.held_out_batches(step)
        if not loaded:
            return {}
        draw_validation(model, loaded[0], folder.path / "validation" / f"step-{step:07d}.png")
        # A model that was never asked by text alone is not graded by it.
        asks_by_text = self.config.prompts.text_alone_probability > 0
        return validate(model, loaded, self._text_source if asks_by_text else None)

    def held_out_batches(self, step: int) -> list[TrainBatch]:
        """All that is validated on, at the image size of the step."""
        held_out = (*self._held_out, *self._read_streamed_held_out())
        size = self.config.stage_at(step - 1).image_size
        count = _VALIDATION_IMAGES_A_BATCH
        batches_or_none = [
            make_validation_batch(held_out[i : i + count], self._cache, self.config, size)
            for i in range(0, len(held_out), count)
        ]
        return [batch for batch in batches_or_none if batch is not None]

    def _read_streamed_held_out(self) -> tuple[Example, ...]:
        """What archives hold out; read when first asked for, in the process that validates."""
        if self._streamed_held_out is None:
            stream, limit = self._examples.stream, self.config.stream.max_validation_images
            is_there = self.config.validation_fraction > 0
            self._streamed_held_out = (
                held_out_examples(stream, limit) if stream and is_there else ()
            )
        return self._streamed_held_out

    def save_weights(self, model: nn.Module, path: Path) -> None:
        """One safetensors file that loads by its path."""
        assert isinstance(model, Sam)
        save_sam(model, path, dtype="float32")

    def _text_dim(self) -> int:
        """Numbers in a text prompt of the model, 0 without text."""
        return model_preset(self.config.model).text_dim


def train_sam(
    config: TrainConfig,
    data_folders: Sequence[str | Path],
    output: Path,
    *,
    device: str = "cpu",
    init: str | None = None,
    scale: Scale | None = None,
    max_minutes: float = math.inf,
    on_row: Callable[[Mapping[str, Any]], None] | None = None,
    on_validation: Callable[[RunFolder], None] | None = None,
) -> RunFolder:
    """Trains a model on labelled photographs; see `SamObjective` and `loop.train`."""
    return train(
        SamObjective(config, data_folders, init),
        output,
        device=device,
        scale=scale,
        max_minutes=max_minutes,
        on_row=on_row,
        on_validation=on_validation,
    )
