"""`anymask engine lineage`: where something is from, and what was made of it."""

import argparse
import dataclasses
import json
from typing import TYPE_CHECKING

from anymask.cli.engine_folder import add_folder_argument, open_engine

if TYPE_CHECKING:
    from anymask.engine.lineage import Lineage

_MOST_LISTED = 8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the action's arguments to `parser`."""
    add_folder_argument(parser)
    parser.add_argument(
        "name",
        metavar="NAME",
        help="a mask (UUID, or its number in the data set), photo (file name, SHA-256 or sa_N), "
        "model, data version or person",
    )


def run(args: argparse.Namespace) -> int:
    """Print the lineage, return 0.

    Raises:
        AnymaskError: no engine there, or nothing is called so.
    """
    from anymask.engine.lineage import trace

    with open_engine(args.folder) as engine:
        lineage = trace(engine.context, args.name)
    print(json.dumps(dataclasses.asdict(lineage)) if args.json else _text(lineage))
    return 0


def _text(lineage: "Lineage") -> str:
    lines = [f"{lineage.kind} {lineage.name}"]
    lines += [f"  {key.replace('_', ' ')}: {value}" for key, value in lineage.about.items()]
    for model in lineage.models_before:
        learned = ", ".join(model["versions"]) or "nothing here"
        lines.append(f"  from model {model['model_id']} ({model['step']}), learned from: {learned}")
    for text, names in (
        ("masks", lineage.masks),
        ("in data versions", lineage.versions),
        ("models made with it", lineage.models_after),
        ("data sets", lineage.releases),
        ("to be done again if it is withdrawn", lineage.redo),
    ):
        if names:
            more = f" and {len(names) - _MOST_LISTED} more" if len(names) > _MOST_LISTED else ""
            lines.append(f"  {text}: {', '.join(names[:_MOST_LISTED])}{more}")
    return "\n".join(lines)
