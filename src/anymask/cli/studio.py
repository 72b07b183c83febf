"""`anymask studio`: folders into projects of a running studio, and projects into files."""

import argparse
import dataclasses
import json
import os
import sys
from typing import TYPE_CHECKING

from tqdm import tqdm

from anymask.core.errors import NotFoundError
from anymask.dataset.formats.registry import FORMATS

if TYPE_CHECKING:
    from anymask.client import Client

_TOKEN = "ANYMASK_TOKEN"  # the variable's name


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's actions and their arguments to `parser`."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    importing = actions.add_parser("import", help="pictures and annotations of any known format")
    importing.add_argument("folder", metavar="FOLDER", help="is searched to the bottom")
    exporting = actions.add_parser("export", help="masks, and pictures if asked for, as a file")
    exporting.add_argument("--to", default="coco", choices=[*FORMATS], help="(default: coco)")
    exporting.add_argument("--pictures", action="store_true", help="with the pictures, as a ZIP")
    exporting.add_argument("-o", "--output", required=True, metavar="FILE")
    for action in (importing, exporting):
        add = action.add_argument
        add("--project", required=True, metavar="NAME", help="is made by import if there is none")
        add(
            "--url",
            default="http://127.0.0.1:8000",
            help=f"(default: http://127.0.0.1:8000; {_TOKEN} in the environment says who you are)",
        )
        add("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Do what `args.action` says; return 0, or 1 if some files could not be imported.

    Raises:
        AnymaskError: no such folder or project, no right to it, no server, no room.
    """
    from anymask.client import Client

    client = Client(args.url, os.environ.get(_TOKEN, ""))
    return _import(client, args) if args.action == "import" else _export(client, args)


def _import(client: "Client", args: argparse.Namespace) -> int:
    from anymask.folder_import import import_folder

    project_id = client.projects().get(args.project) or client.add_project(args.project)
    with tqdm(unit="file", disable=None) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        done = import_folder(client, project_id, args.folder, show)
    if args.json:
        print(json.dumps(dataclasses.asdict(done)))
    else:
        for problem in done.problems:
            print(f"{problem.file}: {problem.text}", file=sys.stderr)
        print(
            f"{args.project}: {done.images} images there, {done.masks} masks new, "
            f"{len(done.problems)} files not taken"
        )
    return 1 if done.problems else 0


def _export(client: "Client", args: argparse.Namespace) -> int:
    project_id = client.projects().get(args.project)
    if project_id is None:
        raise NotFoundError(f"project must exist, got {args.project!r}. See the studio's list.")
    client.export(project_id, args.output, args.to, pictures=args.pictures)
    print(json.dumps({"path": args.output}) if args.json else args.output)
    return 0
