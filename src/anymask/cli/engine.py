"""`anymask engine`: the data engine, from photos and a model to masks and a better model."""

import argparse
from importlib import import_module

# The action, the module of it beside this one, what it does.
ACTIONS = {
    "init": ("engine_init", "begin: photos, a model and a plan in a studio's folder"),
    "status": ("engine_status", "stage, round, what waits for whom, and the figures so far"),
    "next-stage": ("engine_run", "do what is next, up to where people are needed"),
    "run": ("engine_run", "go on as far as it goes; --wait also while people annotate"),
    "lineage": ("engine_lineage", "where a mask, image or model is from, and what was made of it"),
    "simulate": ("engine_simulate", "the whole loop with simulated people: does it close?"),
    "report": ("engine_report", "the figures of all rounds as a page with plots"),
    "audit": ("engine_audit", "people correct a sample of a data set: how good were its masks?"),
    "rate": ("engine_rate", "people rate masks of several sources from 1 to 10, sources hidden"),
    "masks": ("engine_masks", "photos to a release of images and masks, by the model alone"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's actions and their arguments to `parser`."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, (module, text) in ACTIONS.items():
        action = actions.add_parser(name, help=text, description=f"{text.capitalize()}.")
        import_module(f"anymask.cli.{module}").add_arguments(action)


def run(args: argparse.Namespace) -> int:
    """Do what `args.action` says, return its exit code.

    Raises:
        AnymaskError: as of the action's own `run`.
    """
    module, _ = ACTIONS[args.action]
    code: int = import_module(f"anymask.cli.{module}").run(args)
    return code
