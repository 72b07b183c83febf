"""What a run learns, as the loop sees it: a model, batches, a loss, a way to look at the result.

The loop (`training/loop.py`) knows steps, optimiser, processes, checkpoints and logs; an objective
knows the task. SAM training, masked pre-training and fine-tuning are objectives.
"""

from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

from torch import Tensor, nn

from anymask.training.config import OptimConfig
from anymask.training.run_folder import RunFolder
from anymask.training.share import Share

BatchT = TypeVar("BatchT")


class RunConfig(Protocol):
    """The settings that every kind of run has; a frozen dataclass, saved as JSON in the folder.

    Attributes:
        seed: of everything random.
        dtype: of the computation; weights and their averages are float32.
        validate_every, checkpoint_every: in steps.
        optim: the optimiser's settings.
    """

    @property
    def seed(self) -> int: ...  # noqa: D102
    @property
    def dtype(self) -> Literal["float32", "bfloat16"]: ...  # noqa: D102
    @property
    def validate_every(self) -> int: ...  # noqa: D102
    @property
    def checkpoint_every(self) -> int: ...  # noqa: D102
    @property
    def optim(self) -> OptimConfig: ...  # noqa: D102

    @property
    def num_steps(self) -> int:
        """Steps of the whole run."""
        ...

    def batch_size_at(self, step: int) -> int:
        """Rows of the global batch of a step, over all processes."""
        ...

    def to_json(self) -> dict[str, Any]:
        """The settings as plain JSON values, one key a field."""
        ...


class Objective(Protocol[BatchT]):
    """What is learned. One object lives as long as a run, in every process.

    Its `config` and `may_change` are plain attributes.
    """

    @property
    def config(self) -> RunConfig:
        """The run's settings."""
        ...

    @property
    def may_change(self) -> tuple[str, ...]:
        """The fields of `config` that may differ when a stopped run goes on, e.g. its length."""
        ...

    def build_model(self) -> nn.Module:
        """The model with its first weights, on the CPU in float32; equal in every process.

        Parameters without `requires_grad` are neither trained nor averaged. Weights that come from
        a file are loaded here. Called once when a run starts or goes on.
        """
        ...

    def batches(self, first_step: int, share: Share) -> Generator[BatchT]:
        """This share's rows of the batches of steps `first_step`, `first_step` + 1, ...

        A pure function of (seed, step, global row), so that a run that goes on, or that has another
        number of processes, sees the same data.
        """
        ...

    def losses(self, model: nn.Module, batch: BatchT, step: int, share: Share) -> dict[str, Tensor]:
        """The loss under the key "loss", and other scalars to log, of this share's rows.

        Each is a mean over the share's rows; the loop weighs shares by their number of rows, so
        that the global mean is what is learned. Tensors that are not scalars are not logged; they
        only come back to `describe`. A plain dict. Calls no `backward`: the loop does, once (the
        hooks of distributed training rely on it). May run under autocast.

        Args:
            model: on its device, in training mode.
            batch: from `batches`; the tensors are moved to the model's device here.
            step: keys the randomness, together with the global rows.
            share: which rows these are.
        """
        ...

    def describe(self, batch: BatchT, losses: Mapping[str, Tensor]) -> str:
        """Where a loss that is not finite came from: one phrase without a full stop.

        E.g. the images' paths; only those of the bad ones when `losses` tells them apart.
        """
        ...

    def sizes(self, batch: BatchT) -> Mapping[str, int]:
        """What was processed, for throughput: "num_images", and e.g. "num_masks"."""
        ...

    def validate(self, model: nn.Module, folder: RunFolder, step: int) -> Mapping[str, float]:
        """Scores of held-out data by name (logged with "val_" before them); empty without any.

        May write pictures into the folder. Runs in one process.

        Args:
            model: the averaged weights, in evaluation mode, on the run's device; may be changed.
            folder: the run's folder.
            step: steps done so far, from 1.
        """
        ...

    def save_weights(self, model: nn.Module, path: Path) -> None:
        """Writes the averaged model as what users load."""
        ...
