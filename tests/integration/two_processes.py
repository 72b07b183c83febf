"""Run by several processes at once (see test_distributed.py): trains, or leaves its gradients."""

import dataclasses
import resource
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import torch

from anymask.core.errors import OutputError
from anymask.training.config import Stage, TrainConfig
from anymask.training.distributed import Scale, processes, whole
from anymask.training.loop import start
from anymask.training.presets import tiny
from anymask.training.run_folder import RunFolder
from anymask.training.sam_objective import SamObjective, train_sam
from anymask.training.update import _numbers, gradients


def config(end_step: int, **changes: Any) -> TrainConfig:
    stage = Stage(end_step=end_step, image_size=64, batch_size=4)
    optim = dataclasses.replace(tiny().optim, decay_fraction=0.0)  # no trace of the run's length
    short = dataclasses.replace(
        tiny(),
        stages=(stage,),
        checkpoint_every=2,
        validate_every=1000,
        validation_fraction=0.0,
        optim=optim,
    )
    return dataclasses.replace(short, **changes)


def save_gradients(data: Path, output: Path, scale: Scale, chunk: int) -> None:
    """Saves the gradients and the loss of step 0, those of all processes together."""
    with processes("cpu") as who:
        objective = SamObjective(config(1, masks_per_chunk=chunk), [data])
        run = start(objective, RunFolder(path=output), who, scale)
        streams = [objective.batches(0, share) for share in who.shares(scale.accumulate)]
        batches = []
        for stream in streams:
            with closing(stream):
                batches.append(next(stream))
        passes = gradients(run, batches)
        numbers = _numbers(run, batches, passes, False)
        found = {
            name: whole(parameter.grad).clone()
            for name, parameter in run.state.model.named_parameters()
            if parameter.grad is not None
        }
        if who.is_first:
            torch.save({"gradients": found, "numbers": numbers}, output / "gradients.pt")


def main() -> None:
    what, data, output, end_step, parallel, accumulate, recompute, chunk = sys.argv[1:]
    torch.set_num_threads(1)
    scale = Scale(
        parallel="fsdp" if parallel == "fsdp" else "ddp",
        accumulate=int(accumulate),
        recompute=recompute == "recompute",
    )
    if what == "gradients":
        save_gradients(Path(data), Path(output), scale, int(chunk))
        return
    if what == "train-on-full-disk":  # files may not grow beyond this, as the kernel sees to it
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, resource.RLIM_INFINITY))
    try:
        train_sam(config(int(end_step)), [Path(data)], Path(output), scale=scale)
    except OutputError as error:
        sys.exit(f"OutputError: {error}")


if __name__ == "__main__":
    main()
