"""`anymask train`: run a training preset on a folder of labelled photographs, resumably."""

import argparse
import json
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("preset", help="a training preset: small (the default model) or tiny")
    parser.add_argument(
        "data", nargs="+", type=Path, help="a set (images/ + COCO JSON), or a folder of sets"
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, help="the run folder; an earlier run goes on"
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="change a setting, e.g. optim.learning_rate=5e-4 or stages=4000:256:16,5500:384:8",
    )
    parser.add_argument("--init", help="start from these weights (a name or a file)")
    parser.add_argument("--max-minutes", type=float, help="save and stop after this time")
    parser.add_argument("--device", default="cpu", help="cpu, cuda or mps (default: cpu)")
    parser.add_argument("--seed", type=int, help="seed of data order, prompts and first weights")
    parser.add_argument("--json", action="store_true", help="print the last row as JSON")


def run(args: argparse.Namespace) -> int:
    """Trains, and prints where the results are."""
    import dataclasses
    import math

    from anymask.core.errors import InvalidInputError
    from anymask.training.curves import plot_curves
    from anymask.training.loop import train
    from anymask.training.presets import preset

    config = preset(args.preset)
    for setting in args.set:
        name, separator, value = setting.partition("=")
        if not separator:
            raise InvalidInputError(f"--set must be FIELD=VALUE, got {setting!r}. Add '=VALUE'.")
        config = config.with_setting(name, value)
    if args.seed is not None:
        config = dataclasses.replace(config, seed=args.seed)
    folder = train(
        config,
        args.data,
        args.output,
        device=args.device,
        init=args.init,
        max_minutes=math.inf if args.max_minutes is None else args.max_minutes,
        on_validation=plot_curves,
    )
    last = folder.read_log()[-1]
    if args.json:
        print(json.dumps(last))
    else:
        scores = {key[4:]: value for key, value in last.items() if key.startswith("val_")}
        print(f"step {last['step'] + 1} of {config.num_steps}: loss {last['loss']:.3f}, {scores}")
        print(f"weights: {folder.weights_path}")
        print(f"curves:  {folder.path / 'curves.png'}")
    return 0
