"""`anymask train`: run a training preset on labelled photographs, on any number of GPUs."""

import argparse
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from anymask.training.distributed import Scale
    from anymask.training.run_folder import RunFolder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument(
        "preset", help="a training preset, e.g. small (the default model), tiny or paper_vit_h"
    )
    parser.add_argument(
        "data",
        nargs="+",
        help="labelled photographs: a set, a folder of sets, or archives like SA-1B's (a folder or "
        "URL of .tar files, one of them, sa_{000000..000999}.tar, or a list in a .txt or .tsv)",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="change a setting, e.g. optim.learning_rate=5e-4 or stages=4000:256:16,5500:384:8",
    )
    parser.add_argument(
        "--init", help="start from these weights (a name or a file); parts they lack are random"
    )
    parser.add_argument("--seed", type=int, help="seed of data order, prompts and first weights")
    add_run_arguments(parser)


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments that every command that trains has."""
    parser.add_argument(
        "-o", "--output", type=Path, required=True, help="the run folder; an earlier run goes on"
    )
    parser.add_argument("--max-minutes", type=float, help="save and stop after this time")
    parser.add_argument(
        "--device", default="cpu", help="cpu, cuda or mps; under torchrun cuda is one GPU a process"
    )
    parser.add_argument(
        "--parallel",
        choices=["ddp", "fsdp"],
        default="ddp",
        help="under torchrun: each process has the whole model, or they share it (default: ddp)",
    )
    parser.add_argument(
        "--accumulate",
        type=int,
        default=1,
        metavar="N",
        help="divide each process's part of a batch into N passes: less memory, same result",
    )
    parser.add_argument(
        "--recompute",
        action="store_true",
        help="compute the encoder's activations twice instead of keeping them: less memory",
    )
    parser.add_argument("--no-tensorboard", action="store_true", help="write no TensorBoard events")
    parser.add_argument("--json", action="store_true", help="print the outcome as one JSON object")


def run(args: argparse.Namespace) -> int:
    """Trains, and prints where the results are."""
    import dataclasses

    from anymask.training.presets import preset
    from anymask.training.sam_objective import SamObjective
    from anymask.training.settings import with_settings
    from anymask.training.text_link_objective import TextLinkObjective

    config = with_settings(preset(args.preset), args.set)
    if args.seed is not None:
        config = dataclasses.replace(config, seed=args.seed)
    is_link = config.trained_part == "text_link"
    kind = TextLinkObjective if is_link else SamObjective
    run_objective(kind(config, args.data, args.init), args)
    return 0


def run_objective(objective: Any, args: argparse.Namespace) -> "RunFolder":
    """Trains what an `Objective` says with the arguments of `add_run_arguments`; prints the end."""
    folder = train_objective(objective, args)
    if is_first_process():
        _report(folder, objective.config.num_steps, as_json=args.json)
    return folder


def train_objective(
    objective: Any,
    args: argparse.Namespace,
    is_done: "Callable[[RunFolder], bool] | None" = None,
) -> "RunFolder":
    """Trains what an `Objective` says with the arguments of `add_run_arguments`."""
    import math
    from importlib.util import find_spec

    from anymask.training.curves import plot_curves
    from anymask.training.loop import train
    from anymask.training.progress import say
    from anymask.training.tensorboard import event_writer

    can_plot = find_spec("matplotlib") is not None
    if not can_plot and is_first_process():
        say("matplotlib is not installed: no curves.png. Run: pip install 'anymask[eval]'")
    is_wanted = is_first_process() and not args.no_tensorboard
    with event_writer(args.output, is_wanted=is_wanted) as write_event:
        return train(
            objective,
            args.output,
            device=args.device,
            scale=_scale(args),
            max_minutes=math.inf if args.max_minutes is None else args.max_minutes,
            on_row=write_event,
            on_validation=plot_curves if can_plot else None,
            is_done=is_done,
        )


def is_first_process() -> bool:
    """Whether this is the one of `torchrun`'s processes that speaks; without it, yes."""
    return os.environ.get("RANK", "0") == "0"


def _scale(args: argparse.Namespace) -> "Scale":
    from anymask.training.distributed import Scale

    return Scale(parallel=args.parallel, accumulate=args.accumulate, recompute=args.recompute)


def _report(folder: "RunFolder", num_steps: int, *, as_json: bool) -> None:
    import json

    from anymask.training.log_rows import latest_scores
    from anymask.training.progress import throughput_text

    rows = folder.read_log()
    last = rows[-1]
    scores = latest_scores(rows)
    files = {"weights": folder.weights_path, "curves": folder.path / "curves.png"}
    if as_json:
        print(
            json.dumps(
                {
                    "steps": last["step"] + 1,
                    "num_steps": num_steps,
                    "is_finished": last["step"] + 1 == num_steps,
                    "loss": last["loss"],
                    "scores": scores,
                    "seconds": round(sum(row["seconds"] for row in rows), 1),
                    "images": sum(row["num_images"] for row in rows),
                    **{name: str(path) for name, path in files.items()},
                    "last_row": last,
                }
            )
        )
        return
    print(f"step {last['step'] + 1} of {num_steps}: {throughput_text(last)}")
    if scores:
        print("held out: " + ", ".join(f"{name} {value:.3f}" for name, value in scores.items()))
    for name, path in files.items():
        print(f"{name + ':':9}{path}")
