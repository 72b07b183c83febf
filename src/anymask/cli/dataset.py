"""`anymask dataset`: shards in SA-1B's layout, written, checked, looked at and converted."""

import argparse
from importlib import import_module

# Each action is a module beside this one, with the two functions of a command.
ACTIONS = {
    "write": ("dataset_write", "labelled photographs as shards in SA-1B's layout"),
    "stats": ("dataset_stats", "what a data set's masks are like: numbers, plots, a page"),
    "view": ("dataset_view", "a data set as pages to look through in a browser"),
    "card": ("dataset_card", "a data card from what is counted, reported and answered"),
    "validate": ("dataset_validate", "whether shards are as they must be, rule by rule"),
    "convert": ("dataset_convert", "shards as COCO, LVIS, YOLO, PNG masks, Parquet, ..."),
    "blur": ("dataset_blur", "a copy with faces and licence plates made unrecognisable"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's actions and their arguments to `parser`."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, (module, text) in ACTIONS.items():
        description = f"{text[0].upper()}{text[1:]}."
        action = actions.add_parser(name, help=text, description=description)
        import_module(f"anymask.cli.{module}").add_arguments(action)


def run(args: argparse.Namespace) -> int:
    """Do what `args.action` says, and return its exit code."""
    module, _ = ACTIONS[args.action]
    code: int = import_module(f"anymask.cli.{module}").run(args)
    return code
