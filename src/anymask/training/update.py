"""One update of the weights, computed by all processes together, and its row of the log."""

import math
from collections import deque
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Generic

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from anymask.core.errors import InvalidInputError
from anymask.training.distributed import Processes, Scale, gradient_exchange, whole
from anymask.training.objective import BatchT, Objective, RunConfig
from anymask.training.optim import learning_rate, set_learning_rate
from anymask.training.progress import PHASES, StepTimer, StepTimes
from anymask.training.run_folder import RunFolder
from anymask.training.run_state import RunState
from anymask.training.share import Share


@dataclass(kw_only=True, eq=False)
class Run(Generic[BatchT]):
    """One process's view of a run."""

    objective: Objective[BatchT]
    folder: RunFolder
    who: Processes
    scale: Scale
    state: RunState
    losses: nn.Module  # the model's losses, with the hooks of distributed training on them
    timer: StepTimer

    @property
    def config(self) -> RunConfig:
        """The settings."""
        return self.objective.config


@dataclass(kw_only=True, eq=False)
class Launched(Generic[BatchT]):
    """A step that was launched; its numbers may still be under way on the GPU."""

    step: int
    rate: float
    batches: list[BatchT]
    passes: list[Mapping[str, Tensor]]
    gradient_norm: Tensor  # of all processes, before it is shortened
    numbers: Tensor  # of all processes: loss terms, sizes, and how many wish to stop
    times: StepTimes


def take_step(run: Run[BatchT], batches: list[BatchT], wishes_to_stop: bool) -> Launched[BatchT]:
    """One step of the optimiser; on a GPU it is under way when this returns."""
    config, step = run.config, run.state.step
    rate = learning_rate(step, config.num_steps, config.optim)
    set_learning_rate(run.state.optimizer, rate)
    passes = gradients(run, batches)
    norm = torch.nn.utils.clip_grad_norm_(
        run.state.model.parameters(), config.optim.max_gradient_norm
    )
    run.state.optimizer.step()
    run.state.average.update(run.state.model, step)
    run.timer.mark("optimizer")
    return Launched(
        step=step,
        rate=rate,
        batches=batches,
        passes=passes,
        gradient_norm=whole(norm),
        numbers=_numbers(run, batches, passes, wishes_to_stop),
        times=run.timer.finish(),
    )


def gradients(run: Run[BatchT], batches: list[BatchT]) -> list[Mapping[str, Tensor]]:
    """Leaves the gradient of the global batch's mean loss in the model; the terms of each pass."""
    step, shares = run.state.step, run.who.shares(run.scale.accumulate)
    run.state.optimizer.zero_grad(set_to_none=True)
    passes: list[Mapping[str, Tensor]] = []
    for share, batch in zip(shares, batches, strict=True):
        # Dropout and drop path draw from the global generator: tie it to step and share.
        torch.manual_seed(run.config.seed * 7_919 + step + 1_000_000_007 * share.index)
        with gradient_exchange(run.losses, share is shares[-1]), attention(run.who.device):
            with numerics(run.config, run.who.device):
                losses = run.losses(batch, step, share)
            run.timer.mark("losses")
            # The processes' gradients are averaged, so that each counts world_size times.
            weight = _weight(run, share) * run.who.world_size
            (losses["loss"] * weight).backward()
            run.timer.mark("backward")
        passes.append({name: value.detach() for name, value in losses.items()})
    return passes


def _weight(run: Run[BatchT], share: Share) -> float:
    """The part of the global batch's rows that the share has."""
    batch_size = run.config.batch_size_at(run.state.step)
    return len(share.rows(batch_size)) / batch_size


def _numbers(
    run: Run[BatchT],
    batches: list[BatchT],
    passes: list[Mapping[str, Tensor]],
    wishes_to_stop: bool,
) -> Tensor:
    """The loss terms of the global batch, its sizes, and how many processes wish to stop."""
    total: Tensor = torch.zeros((), device=run.who.device)
    for share, batch, losses in zip(
        run.who.shares(run.scale.accumulate), batches, passes, strict=True
    ):
        terms = torch.stack([value.float() for value in losses.values() if value.ndim == 0])
        sizes = terms.new_tensor([float(n) for n in run.objective.sizes(batch).values()])
        total = total + torch.cat([terms * _weight(run, share), sizes])
    return run.who.sum(torch.cat([total, total.new_tensor([float(wishes_to_stop)])]))


def finish(
    run: Run[BatchT], launched: deque[Launched[BatchT]], keep: int
) -> tuple[list[dict[str, Any]], bool]:
    """The rows of the oldest steps, all but `keep`, and whether a process wishes to stop."""
    rows, is_stopped = [], False
    while len(launched) > keep:
        done = launched.popleft()
        values = done.numbers.tolist()
        is_stopped = is_stopped or values.pop() > 0
        names = [name for name, value in done.passes[0].items() if value.ndim == 0]
        losses = dict(zip(names, values, strict=False))
        norm = float(done.gradient_norm)
        checked = losses | {"gradient_norm": norm}
        broken = [name for name, value in checked.items() if not math.isfinite(value)]
        if broken:
            _stop_at(run, done, broken)
        sizes = zip(run.objective.sizes(done.batches[0]), values[len(names) :], strict=True)
        times = done.times.seconds()
        rows.append(
            {
                "step": done.step,
                **losses,
                "learning_rate": done.rate,
                "gradient_norm": norm,
                **{name: round(count) for name, count in sizes},
                "seconds": round(times["total"], 4),
                **{f"seconds_{phase}": round(times[phase], 4) for phase in PHASES},
            }
        )
    return rows, is_stopped


def _stop_at(run: Run[BatchT], done: Launched[BatchT], broken: list[str]) -> None:
    sources = [
        run.objective.describe(batch, losses)
        for batch, losses in zip(done.batches, done.passes, strict=True)
        if not all(bool(value.isfinite().all()) for value in losses.values())
    ]
    found = [text for text in run.who.gather("; ".join(sources)) if text]
    kept = "; the last good state is in" if run.folder.has_checkpoint else "; none is saved yet in"
    raise InvalidInputError(
        f"the loss is not finite at step {done.step} ({', '.join(broken)}): "
        f"{'; '.join(found) or 'the losses are finite'}. Look at these, or lower "
        f"optim.learning_rate{kept} {run.folder.path}."
    )


def numerics(config: RunConfig, device: torch.device) -> AbstractContextManager[object]:
    """Mixed precision as the configuration asks for."""
    if config.dtype == "float32":
        return nullcontext()
    return torch.autocast(device.type, torch.bfloat16)


def attention(device: torch.device) -> AbstractContextManager[object]:
    """The implementation of attention that is quickest both ways."""
    # On CPUs the backward pass of fused attention is the slower one at these sizes.
    return sdpa_kernel(SDPBackend.MATH) if device.type == "cpu" else nullcontext()
