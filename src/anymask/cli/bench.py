"""`anymask bench`: how fast the model is here, side by side with whatever else is installed."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anymask.evaluation.speed.comparison import SpeedRow

# A table, as importing the tasks here would load torch.
TASKS = {
    "encode": "photo to embedding",
    "click": "click to three full-size masks, after encode",
    "decode": "64 clicks decoded together, time of one",
    "everything": "photo to all its masks; takes minutes with the reference",
    "first-use": "fresh processes up to a mask written by `anymask segment`",
}
_DEFAULT_TASKS = ("encode", "click", "decode", "first-use")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to `parser`."""
    add = parser.add_argument
    described = "; ".join(f"{name}: {text}" for name, text in TASKS.items())
    add("tasks", nargs="*", metavar="TASK", help=f"{described} (all but everything)")
    add("--model", metavar="NAME_OR_PATH", help="a known model or a checkpoint (default: built in)")
    add(
        "--random-weights",
        action="store_true",
        help="--model names a structure (vit_b, vit_l, vit_h, small): nothing to download",
    )
    add("--image", metavar="PHOTO", help="a photograph (default: a drawn picture, 1800 x 1200)")
    add(
        "--export",
        nargs="+",
        default=[],
        choices=("onnx", "openvino"),
        metavar="RUNTIME",
        help="export the model for onnx or openvino first, which then compete",
    )
    add(
        "--exported",
        nargs="+",
        default=[],
        metavar="DIR",
        help="folders of `anymask export`, which compete by their names",
    )
    add(
        "--only", nargs="+", metavar="NAME", help="contenders (default: all but 'anymask compiled')"
    )
    add("--rounds", type=int, default=5, metavar="N", help="runs that are timed (%(default)s)")
    add(
        "--points-per-side",
        type=int,
        default=32,
        metavar="N",
        help="everything: clicks along each side (%(default)s)",
    )
    add("--no-memory", action="store_true", help="leave out peak memory, which starts processes")
    add("--device", default="auto", help="auto, cpu, cuda or mps (%(default)s)")
    add("-o", "--output", metavar="DIR", help="write bench.json and bench.png there")
    add("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Time the tasks, print the machine and a table or JSON, write the files, return 0.

    Raises:
        AnymaskError: an unknown task or contender, a model or photo that cannot be read, a
            contender that fails.
    """
    from anymask.cli.output_folder import make_output_folder
    from anymask.core.files import write_bytes, write_json
    from anymask.evaluation.speed.machine import describe_machine
    from anymask.evaluation.speed.report import format_rows, plot_rows, rows_to_json

    _check_tasks(args.tasks)
    output = make_output_folder(args.output) if args.output else None
    rows = _measure(args)
    machine = describe_machine()
    values = rows_to_json(rows, machine)
    if output is not None:
        write_json(output / "bench.json", values)
        write_bytes(output / "bench.png", plot_rows(rows, machine))
    print(json.dumps(values) if args.json else f"{machine.describe()}\n\n{format_rows(rows)}")
    return 0


def _check_tasks(names: list[str]) -> None:
    from anymask.core.errors import UnknownNameError

    for name in names:
        if name not in TASKS:
            raise UnknownNameError("task", name, tuple(TASKS))


def _measure(args: argparse.Namespace) -> "list[SpeedRow]":
    import tempfile

    from tqdm import tqdm

    from anymask.evaluation.speed.comparison import SpeedRow, compare
    from anymask.evaluation.speed.first_use import time_first_use
    from anymask.evaluation.speed.setup import Setup

    setup = Setup(
        model=args.model,
        random_weights=args.random_weights,
        photo=str(Path(args.image)) if args.image else None,
        device=args.device,
        points_per_side=args.points_per_side,
        exported=tuple(args.exported),
    )
    tasks = list(dict.fromkeys(args.tasks)) or list(_DEFAULT_TASKS)
    with (
        tempfile.TemporaryDirectory() as folder,
        tqdm(disable=None, file=sys.stderr, bar_format="{desc} {elapsed}") as progress,
    ):
        if args.export:
            progress.set_description_str("export")
            setup = setup.with_exports(list(dict.fromkeys(args.export)), Path(folder))
        rows = compare(
            setup,
            [task for task in tasks if task != "first-use"],
            args.only or setup.contender_names(),
            args.rounds,
            with_memory=not args.no_memory,
            on_progress=progress.set_description_str,
        )
        if "first-use" in tasks and not args.random_weights:
            progress.set_description_str("time first use")
            times = time_first_use(setup, args.rounds)
            rows += [
                SpeedRow(task="first-use", contender=name, seconds=taken.seconds)
                for name, taken in times.items()
            ]
    return rows
