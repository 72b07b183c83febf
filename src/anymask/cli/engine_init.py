"""`anymask engine init`: photos, a model and a plan become an engine in a studio's folder."""

import argparse
import dataclasses
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from anymask.cli.engine_folder import add_folder_argument, open_engine

if TYPE_CHECKING:
    from anymask.engine.plan import EnginePlan


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the action's arguments to `parser`."""
    add_folder_argument(parser)
    add = parser.add_argument
    add(
        "--photos",
        nargs="+",
        required=True,
        metavar="DIR",
        help="photographs, searched to the bottom; again later for more",
    )
    add("--model", metavar="NAME_OR_PATH", help="to begin with (default: built in)")
    add(
        "--held-out",
        nargs="+",
        metavar="DIR",
        help="labelled photographs that no round gets: new models are compared on them",
    )
    add(
        "--plan",
        metavar="FILE",
        help="a plan as JSON, which the other options change (default: the folder's)",
    )
    add(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="change the plan, e.g. manual_rounds=3 or promotion.rule=better",
    )
    add(
        "--train-set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="change the settings of each round's training, e.g. optim.learning_rate=1e-4",
    )


def run(args: argparse.Namespace) -> int:
    """Begin the engine or add photos to it, print what it has; return 0, or 1 with problems.

    Raises:
        AnymaskError: a folder or a plan that cannot be used, another plan than before, no room.
    """
    from tqdm import tqdm

    from anymask.dataset.photo_folder import find_photos

    photos = find_photos(args.photos)
    with (
        open_engine(args.folder, _plan(args)) as engine,
        tqdm(total=len(photos), unit="photo", disable=None, file=sys.stderr) as bar,
    ):
        done = engine.add_photos(photos, lambda: bar.update())
        plan = engine.plan
    if args.json:
        print(
            json.dumps({"folder": args.folder, "plan": dataclasses.asdict(plan), **_asdict(done)})
        )
    else:
        for problem in done.problems:
            print(f"{problem.name}: {problem.text}", file=sys.stderr)
        print(
            f"{args.folder}: {done.photos} photos, {plan.manual_rounds} manual and "
            f"{plan.semi_automatic_rounds} semi-automatic rounds of {plan.images_per_round}. "
            f"Next: anymask engine run {args.folder} --wait"
        )
    return 1 if done.problems else 0


def _asdict(value: object) -> dict[str, object]:
    return dataclasses.asdict(value)  # type: ignore[call-overload, no-any-return]


def _plan(args: argparse.Namespace) -> "EnginePlan":
    """The plan of the arguments, which change the folder's own if there is one."""
    from anymask.core.files import read_json
    from anymask.engine.plan import PLAN_FILE, plan_from_json
    from anymask.training.settings import with_settings

    own = Path(args.folder) / PLAN_FILE
    begun = str(own) if own.is_file() else None
    file = args.plan or begun
    value = read_json(file) if file else {}
    if args.model is not None:
        value["model"] = _absolute(args.model)
    if args.held_out:
        folders = [str(Path(folder).resolve()) for folder in args.held_out]
        value["held_out"] = {**value.get("held_out", {}), "folders": folders}
    if args.train_set:
        before = value.get("training", {})
        settings = [*before.get("settings", ()), *args.train_set]
        value["training"] = {**before, "settings": settings}
    return with_settings(plan_from_json(value), args.set)


def _absolute(model: str) -> str:
    """A model's file by its whole path; a known model's name as it is."""
    return str(Path(model).resolve()) if Path(model).exists() else model
