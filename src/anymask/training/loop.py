"""The training loop: batches in, a run folder out; a stopped run goes on as if it had not.

What is learned is an `Objective`; how many processes learn it is a `Scale`. Each global batch is
the same whatever the scale, and so are its gradients but for rounding (tests hold it to 1e-5).
"""

import math
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import torch

from anymask.core.errors import InvalidInputError
from anymask.training import log_rows
from anymask.training.distributed import (
    Processes,
    Scale,
    parallel_losses,
    processes,
    recompute_blocks,
)
from anymask.training.objective import BatchT, Objective, RunConfig
from anymask.training.optim import MovingAverage, build_optimizer
from anymask.training.progress import ProgressLine, StepTimer, say
from anymask.training.run_folder import RunFolder
from anymask.training.run_state import RunState, skeleton_of
from anymask.training.update import Launched, Run, finish, numerics, take_step


def train(
    objective: Objective[BatchT],
    output: Path,
    *,
    device: str = "cpu",
    scale: Scale | None = None,
    max_minutes: float = math.inf,
    on_row: Callable[[Mapping[str, Any]], None] | None = None,
    on_validation: Callable[[RunFolder], None] | None = None,
    is_done: Callable[[RunFolder], bool] | None = None,
) -> RunFolder:
    """Runs the objective, or what is left of it in `output`, and returns the run folder.

    Started by `torchrun`, the processes train one model together. SIGTERM (a cluster's notice)
    saves and returns after the current step, as `max_minutes` does.

    Args:
        objective: what is learned, and its settings.
        output: the run folder; holding a checkpoint, the run goes on where that was saved.
        device: torch device; "cuda" with several processes is one GPU each.
        scale: how the work is spread; one pass on each process when left out.
        max_minutes: save and return after this time, finished or not.
        on_row: called with each row of the log, in the first process.
        on_validation: called after each validation, e.g. to draw the curves; first process.
        is_done: asked at the start and after each validation, in the first process, whether to
            end before the last step, as nothing better is to be expected.

    Raises:
        InvalidInputError: a run with other settings in `output`, a batch too small to be divided,
            or a loss that is not finite (the last checkpoint is intact).
        CheckpointError: the stored state is damaged.
        OutputError: the folder cannot be written (the last checkpoint is intact).
    """
    scale = scale or Scale()
    folder = RunFolder(path=output)
    with processes(device) as who:
        _check_shares(objective.config, who, scale)
        folder.check(objective.config, objective.may_change)
        if who.is_first:
            folder.prepare(objective.config)
        who.wait()
        run = start(objective, folder, who, scale)
        if run.state.step >= objective.config.num_steps or _is_done(run, is_done):
            say(f"{output} is finished: {run.state.step} steps were run. Nothing to do.")
            return folder
        _loop(run, time.monotonic() + 60 * max_minutes, on_row, on_validation, is_done)
    return folder


def start(
    objective: Objective[BatchT], folder: RunFolder, who: Processes, scale: Scale
) -> Run[BatchT]:
    """The run as it was stored, or at its first step."""
    config = objective.config
    model = objective.build_model()
    is_split = scale.parallel == "fsdp" and who.world_size > 1
    if not is_split:  # FSDP takes contiguous weights only
        model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    skeleton = skeleton_of(model)
    if scale.recompute:
        recompute_blocks(model)
    model = model.to(who.device).train()
    timer = StepTimer(who.device)
    timer.watch_encoder(model)
    dtype = torch.bfloat16 if config.dtype == "bfloat16" else torch.float32
    losses = parallel_losses(model, objective, who, scale, dtype)
    state = RunState(
        model=model,
        optimizer=build_optimizer(model, config.optim),
        average=MovingAverage(model, config.optim.ema_decay),
        skeleton=skeleton,
    )
    state.load(folder)
    if who.is_first:
        folder.rewind_log(state.step)
    return Run(
        objective=objective,
        folder=folder,
        who=who,
        scale=scale,
        state=state,
        losses=losses,
        timer=timer,
    )


def _loop(
    run: Run[BatchT],
    deadline: float,
    on_row: Callable[[Mapping[str, Any]], None] | None,
    on_validation: Callable[[RunFolder], None] | None,
    is_done: Callable[[RunFolder], bool] | None,
) -> None:
    config, who, state = run.config, run.who, run.state
    launched: deque[Launched[BatchT]] = deque()
    # A GPU is given the next step before the numbers of the last one are asked for.
    lag = 1 if who.device.type == "cuda" else 0
    with ExitStack() as stack:
        notice = stack.enter_context(_notice_to_stop())
        streams = [
            stack.enter_context(closing(run.objective.batches(state.step, share)))
            for share in who.shares(run.scale.accumulate)
        ]
        line = ProgressLine(
            num_steps=config.num_steps, first_step=state.step, is_shown=who.is_first
        )
        stack.callback(line.close)
        for batches in zip(*streams, strict=True):
            run.timer.mark("data")
            wishes_to_stop = notice.is_set() or time.monotonic() > deadline
            launched.append(take_step(run, list(batches), wishes_to_stop))
            state.step += 1
            is_last = state.step == config.num_steps
            is_validated = state.step % config.validate_every == 0
            is_saved = state.step % config.checkpoint_every == 0
            keep = 0 if is_last or is_validated or is_saved else lag
            rows, is_stopped = finish(run, launched, keep)
            if is_stopped and launched:
                rows += finish(run, launched, 0)[0]
            is_last = is_last or is_stopped
            if is_validated or is_last:
                rows[-1] |= _validate(run)
            if who.is_first:
                for row in rows:
                    run.folder.append_log(row)
                    line.show(row)
                    if on_row is not None:
                        on_row(row)
            if is_validated and _is_done(run, is_done):
                is_last = True
            if is_saved or is_last:
                _save(run)
            if who.is_first and on_validation is not None and log_rows.scores(rows[-1]):
                on_validation(run.folder)
            if is_last:
                break
            run.timer.restart()


def _validate(run: Run[BatchT]) -> dict[str, float]:
    model = run.state.averaged_model(run.who)
    scores: Mapping[str, float] = {}
    if model is not None:
        with numerics(run.config, run.who.device):
            scores = run.objective.validate(model, run.folder, run.state.step)
    run.who.wait()
    return {f"val_{name}": round(value, 5) for name, value in scores.items()}


def _is_done(run: Run[BatchT], is_done: Callable[[RunFolder], bool] | None) -> bool:
    if is_done is None:
        return False
    answer = run.who.is_first and is_done(run.folder)
    return bool(run.who.sum(torch.tensor(float(answer), device=run.who.device)) > 0)


def _save(run: Run[BatchT]) -> None:
    run.state.save(run.folder, run.who)
    model = run.state.averaged_model(run.who)
    if model is not None:
        run.objective.save_weights(model, run.folder.weights_path)


def _check_shares(config: RunConfig, who: Processes, scale: Scale) -> None:
    smallest = min(map(config.batch_size_at, range(config.num_steps)))
    if smallest < who.world_size * scale.accumulate:
        raise InvalidInputError(
            f"a batch must have a row for each of {who.world_size} processes x "
            f"{scale.accumulate} passes, got {smallest} rows. Use fewer, or larger batches."
        )


@contextmanager
def _notice_to_stop() -> Iterator[threading.Event]:
    """An event that the first SIGTERM sets, instead of ending the process; a second one ends it."""
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return
    before = signal.getsignal(signal.SIGTERM)

    def take_notice(*_: object) -> None:
        event.set()
        signal.signal(signal.SIGTERM, before)

    signal.signal(signal.SIGTERM, take_notice)
    try:
        yield event
    finally:
        signal.signal(signal.SIGTERM, before)
