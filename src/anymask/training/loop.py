"""The training loop: batches in, a run folder out; a stopped run goes on as if it had not."""

import copy
import json
import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from tqdm import tqdm

from anymask.core.errors import InvalidInputError
from anymask.model.checkpoints import build_sam, load_sam, save_sam
from anymask.model.presets import preset as model_preset
from anymask.model.sam import Sam
from anymask.training.batches import TrainBatch, batches, make_validation_batch
from anymask.training.config import TrainConfig
from anymask.training.examples import Example, ImageCache, read_examples
from anymask.training.optim import MovingAverage, build_optimizer, learning_rate
from anymask.training.run_folder import RunFolder
from anymask.training.step import step_generator, training_losses
from anymask.training.validation import validate

_VALIDATION_IMAGES_A_BATCH = 12


@dataclass(kw_only=True, eq=False)
class _Run:
    """The moving parts of a run."""

    config: TrainConfig
    folder: RunFolder
    model: Sam
    optimizer: torch.optim.AdamW
    average: MovingAverage
    step: int = 0

    def state(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average.values,
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.step = state["step"]
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.average.values = state["average"]

    def averaged_model(self) -> Sam:
        model = copy.deepcopy(self.model).eval()
        model.load_state_dict(self.average.values, strict=False)
        return model


def train(
    config: TrainConfig,
    data_folders: list[Path],
    output: Path,
    *,
    device: str = "cpu",
    init: str | None = None,
    max_minutes: float = math.inf,
    on_validation: Callable[[RunFolder], None] | None = None,
) -> RunFolder:
    """Runs the configuration, or what is left of it in `output`, and returns the run folder.

    Args:
        config: what to run.
        data_folders: sets, or folders of sets, as `anymask.dataset.coco_folder` reads them.
        output: the run folder; holding a checkpoint, the run goes on where that was saved.
        device: torch device.
        init: weights to start from (a name or path), random otherwise.
        max_minutes: save and return after this time, finished or not.
        on_validation: called after each validation, e.g. to draw the curves.

    Raises:
        InvalidInputError: no usable data, a run with other settings in `output`, or a loss that is
            not finite (the last checkpoint is intact).
    """
    weights = dict(config.set_weights)
    examples, held_out = read_examples(
        data_folders, validation_fraction=config.validation_fraction, set_weights=weights
    )
    run = _start(config, output, device, init)
    cache = ImageCache()
    deadline = time.monotonic() + 60 * max_minutes
    progress = tqdm(total=config.num_steps, initial=run.step, disable=None, unit="step")
    with open_log(run.folder) as write_row, progress:
        for batch in batches(examples, cache, config, run.step):
            started = time.perf_counter()
            row = {"step": run.step, **_take_step(run, batch, device)}
            row["seconds"] = round(time.perf_counter() - started, 4)
            run.step += 1
            is_last = run.step == config.num_steps or time.monotonic() > deadline
            if run.step % config.validate_every == 0 or is_last:
                row |= _validate(run, held_out, cache, device)
            write_row(row)
            progress.update()
            progress.set_postfix(loss=f"{row['loss']:.3f}")
            if run.step % config.checkpoint_every == 0 or is_last:
                _save(run)
            if "val_box" in row and on_validation is not None:
                on_validation(run.folder)
            if is_last:
                break
    return run.folder


@contextmanager
def open_log(folder: RunFolder) -> Iterator[Callable[[dict[str, Any]], None]]:
    """A writer of log rows, one line each, flushed at once."""
    with folder.log_path.open("a") as file:

        def write(row: dict[str, Any]) -> None:
            file.write(json.dumps(row) + "\n")
            file.flush()

        yield write


def _start(config: TrainConfig, output: Path, device: str, init: str | None) -> _Run:
    folder = RunFolder(path=output)
    folder.prepare(config)
    model_config = model_preset(config.model)
    model = build_sam(model_config, seed=config.seed) if init is None else load_sam(init)[0]
    if model.config.to_json() | {"name": ""} != model_config.to_json() | {"name": ""}:
        raise InvalidInputError(
            f"init must be weights of the model {config.model!r}, got {model.config.name!r}."
        )
    model = model.to(device).to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    optimizer = build_optimizer(model, config.optim)
    average = MovingAverage(model, config.optim.ema_decay)
    run = _Run(config=config, folder=folder, model=model, optimizer=optimizer, average=average)
    state = folder.load_checkpoint()
    if state is not None:
        run.restore(state)
    folder.rewind_log(run.step)
    return run


def numerics(config: TrainConfig, device: str) -> AbstractContextManager[object]:
    """Mixed precision as the configuration asks for."""
    if config.dtype == "float32":
        return nullcontext()
    return torch.autocast(device.split(":")[0], torch.bfloat16)


def _attention(device: str) -> AbstractContextManager[object]:
    # On CPUs the backward pass of fused attention is the slower one at these sizes.
    return sdpa_kernel(SDPBackend.MATH) if device == "cpu" else nullcontext()


def _take_step(run: _Run, batch: TrainBatch, device: str) -> dict[str, float]:
    config = run.config
    rate = learning_rate(run.step, config.num_steps, config.optim)
    for group in run.optimizer.param_groups:
        group["lr"] = rate
    # Dropout and drop path draw from the global generator: tie it to the step as well.
    torch.manual_seed(config.seed * 7_919 + run.step)
    with numerics(config, device), _attention(device):
        losses = training_losses(run.model, batch, config, step_generator(config.seed, run.step))
    values = losses.values()
    broken = [name for name, value in values.items() if not math.isfinite(value)]
    if broken:
        raise InvalidInputError(
            f"the loss is not finite at step {run.step} ({', '.join(broken)}). "
            f"Lower optim.learning_rate; the last good state is {run.folder.checkpoint_path}."
        )
    run.optimizer.zero_grad(set_to_none=True)
    losses.total.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(run.model.parameters(), config.optim.max_gradient_norm)
    run.optimizer.step()
    run.average.update(run.model, run.step)
    return {**values, "learning_rate": rate, "num_images": batch.images.shape[0]}


def _validate(
    run: _Run, held_out: tuple[Example, ...], cache: ImageCache, device: str
) -> dict[str, float]:
    if not held_out:
        return {}
    size = run.config.stage_at(run.step - 1).image_size
    count = _VALIDATION_IMAGES_A_BATCH
    chunks = [held_out[i : i + count] for i in range(0, len(held_out), count)]
    loaded = [make_validation_batch(chunk, cache, run.config, size) for chunk in chunks]
    with numerics(run.config, "cpu"):
        scores = validate(run.averaged_model().cpu(), loaded)
    return {f"val_{name}": round(value, 5) for name, value in scores.items()}


def _save(run: _Run) -> None:
    run.folder.save_checkpoint(run.state())
    save_sam(run.averaged_model(), run.folder.weights_path, dtype="float32")
