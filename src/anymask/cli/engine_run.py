"""`anymask engine next-stage` and `run`: do what is next, as far as people are not needed."""

import argparse
import dataclasses
import json

from anymask.cli.engine_folder import add_folder_argument, describe_record, open_engine


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of both actions to `parser`."""
    add_folder_argument(parser)
    parser.add_argument(
        "--wait",
        type=float,
        nargs="?",
        const=10.0,
        metavar="SECONDS",
        help="where people are needed, look again after so long (10) instead of ending",
    )


def run(args: argparse.Namespace) -> int:
    """Do the steps, print each and what is awaited, return 0.

    `next-stage` ends with a round, `run` when all is done.

    Raises:
        AnymaskError: a step cannot be done, or another process is at work; what was done is kept.
    """
    from anymask.engine.steps import StepRecord

    def show(record: StepRecord) -> None:
        value = {"step": dataclasses.asdict(record)}
        print(json.dumps(value) if args.json else describe_record(record), flush=True)

    with open_engine(args.folder) as engine:
        engine.run(
            wait_seconds=args.wait,
            on_step=show,
            is_round_only=args.action == "next-stage",
        )
        status = engine.status()
    if args.json:
        print(json.dumps({"status": dataclasses.asdict(status)}))
    elif status.queue is not None:
        print(
            f"people are needed: {status.queue.waiting} images wait. "
            f"anymask serve --data {args.folder}"
        )
    else:
        print(f"next: {status.next_does}")
    return 0
