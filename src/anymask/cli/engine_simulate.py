"""`anymask engine simulate`: the whole loop with simulated people, and what it shows."""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the action's arguments."""
    parser.add_argument(
        "--train",
        type=Path,
        required=True,
        metavar="DIR",
        help="labelled sets: those that the first model learns from, and those of the loop",
    )
    parser.add_argument(
        "--eval", type=Path, metavar="DIR", help="unseen labelled sets, for before and after"
    )
    parser.add_argument("--seeds", type=int, default=3, help="repetitions of the loop (default: 3)")
    parser.add_argument(
        "--control",
        action="store_true",
        help="also as much training on the first model's data only, for the first seed",
    )
    parser.add_argument(
        "--self-train",
        action="store_true",
        help="also rounds without people, on the model's own masks, with filters and without",
    )
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="change a setting, e.g. images_per_round=80 or loop_sets=coco_a,coco_b",
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, help="a folder; an earlier simulation goes on"
    )
    parser.add_argument("--json", action="store_true", help="print the results as one JSON object")


def run(args: argparse.Namespace) -> int:
    """Simulates, and prints where the report is."""
    import dataclasses
    import json
    import sys
    import time

    from anymask.core.files import read_json
    from anymask.engine.simulation.config import SimulationConfig
    from anymask.engine.simulation.loop import control_scores, prepare, run_seed
    from anymask.engine.simulation.report import write_report
    from anymask.engine.simulation.self_training import self_train
    from anymask.training.settings import with_settings

    begun = time.monotonic()

    def tell(line: str) -> None:
        print(f"{time.monotonic() - begun:6.0f} s  {line}", file=sys.stderr, flush=True)

    config = with_settings(SimulationConfig(), args.set)
    ground = prepare(config, args.train, args.eval, args.output, tell)
    seeds = [run_seed(ground, seed, tell) for seed in range(args.seeds)]
    if args.control:
        seeds[0] = dataclasses.replace(seeds[0], control=control_scores(ground, 0, tell))
    alone = [
        self_train(ground, is_filtered=is_filtered, tell=tell)
        for is_filtered in (True, False)
        if args.self_train
    ]
    inspected = _inspect(args.output / "seed-0" / "engine/automatic/release", args.output)
    facts = {
        "the first seed's data set": inspected,
        "seconds of this call": f"{time.monotonic() - begun:.0f}",
        **{name: str(value) for name, value in dataclasses.asdict(config).items()},
    }
    page = write_report(seeds, args.output, facts, alone)
    if args.json:
        print(json.dumps(read_json(args.output / "results.json")))
    else:
        print(page)
    return 0


def _inspect(release: Path, out: Path) -> str:
    """Validate the data set, count it, write its card and viewer; say what came of each."""
    import contextlib
    import io

    from anymask.cli.main import main
    from anymask.core.files import write_bytes

    commands = {
        "validate": ["validate", str(release)],
        "statistics": ["stats", str(release), "-o", str(out / "statistics"), "--processes", "2"],
        "card": ["card", str(release), "-o", str(out / "card.md")],
        "viewer": ["view", str(release), "-o", str(out / "viewer")],
    }
    outcomes = []
    for name, arguments in commands.items():
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            code = main(["dataset", *arguments])
        write_bytes(out / f"{name}.txt", printed.getvalue().encode())
        outcomes.append(f"{name} {'done' if code == 0 else f'ended with {code}'}")
    return ", ".join(outcomes)
