"""`anymask engine report`: the rounds as a page with plots, and the plots as a picture."""

import argparse
import json
from pathlib import Path

from anymask.cli.engine_folder import add_folder_argument, open_engine


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the action's arguments to `parser`."""
    add_folder_argument(parser)
    parser.add_argument(
        "-o", "--output", metavar="DIR", help="gets the files (default: engine/ in FOLDER)"
    )


def run(args: argparse.Namespace) -> int:
    """Write the page and the picture, print where they are, return 0.

    Raises:
        AnymaskError: no engine there, matplotlib is not installed, or no room.
    """
    from anymask.cli.output_folder import make_output_folder
    from anymask.core.files import write_bytes
    from anymask.engine.report import PLOT_FILE, REPORT_FILE, write_report
    from anymask.engine.round_plots import plot_rounds

    with open_engine(args.folder) as engine:
        status = engine.status()
        folder = make_output_folder(args.output or engine.folder / "engine")
        name = engine.folder.name
    page, plot = folder / REPORT_FILE, folder / PLOT_FILE
    write_bytes(page, write_report(status, name).encode())
    write_bytes(plot, plot_rounds([status.rounds]))
    files = {"page": str(Path(page)), "plot": str(Path(plot))}
    print(json.dumps(files) if args.json else "\n".join(files.values()))
    return 0
