"""`anymask convert`: annotations from one format to another."""

import argparse
import dataclasses
import json
import sys

from tqdm import tqdm

from anymask.dataset.formats.registry import FORMATS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to `parser`."""
    add = parser.add_argument
    add("source", metavar="FOLDER", help="annotations with their pictures, in any known format")
    add("--to", required=True, choices=[*FORMATS], help="the format to write")
    add("--pictures", action="store_true", help="copy the pictures, too")
    add("-o", "--output", required=True, metavar="DIR", help="a new folder")
    add("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Convert, print how much it was and what could not be read; return 0, or 1 if something.

    Raises:
        AnymaskError: nothing could be read, or the output cannot be written.
    """
    from anymask.dataset.formats.converting import convert

    with tqdm(unit="file", disable=None) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        done = convert(
            args.source, args.output, args.to, with_pictures=args.pictures, on_progress=show
        )
    if args.json:
        print(json.dumps(dataclasses.asdict(done)))
    else:
        for problem in done.problems:
            print(f"{problem.file}: {problem.text}", file=sys.stderr)
        print(f"{args.output}: {done.images} images, {done.masks} masks, {args.to}")
    return 1 if done.problems else 0
