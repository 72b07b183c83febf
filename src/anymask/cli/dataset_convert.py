"""`anymask dataset convert`: shards as files of another format."""

import argparse
import dataclasses
import json

from tqdm import tqdm

from anymask.dataset.shard_conversion import TARGETS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the action's arguments to `parser`."""
    add = parser.add_argument
    add("source", metavar="DIR|TAR", help="shards, or SA-1B's files in a folder")
    add("--to", required=True, choices=TARGETS, help="the format to write")
    add("--pictures", action="store_true", help="write the images, too")
    add("-o", "--output", required=True, metavar="DIR", help="a new folder")
    add("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Convert, print how much it was; return 0.

    Raises:
        AnymaskError: there are no shards, one is damaged, or the output cannot be written.
    """
    from anymask.dataset.shard_conversion import convert_dataset

    with tqdm(unit="image", disable=None) as bar:
        done = convert_dataset(
            args.source, args.output, args.to, with_pictures=args.pictures, on_image=bar.update
        )
    if args.json:
        print(json.dumps(dataclasses.asdict(done)))
    else:
        print(f"{args.output}: {done.images} images, {done.masks} masks, {args.to}")
    return 0
