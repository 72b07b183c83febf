"""`anymask dataset view`: a data set as pages to look through, here or on any web server."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anymask.dataset.viewer_site import ViewerOptions, ViewerSite


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the action's arguments to `parser`."""
    add = parser.add_argument
    add("source", metavar="DATASET", help="archives or files of SA-1B's form, or labelled sets")
    add("-o", "--output", metavar="SITE", help="folder for the pages (default: NAME_view)")
    add("--name", help="what the set is called (default: its folder's name)")
    add(
        "--longest-side",
        type=int,
        metavar="N",
        help="write larger pictures anew, so many pixels large (default: copy them as they are)",
    )
    add("--validation", metavar="FILE", help="what `anymask dataset validate --json` printed")
    add("--privacy", metavar="FILE", help="report.json of `anymask dataset blur`")
    add("--serve", action="store_true", help="show it under this machine's address until Ctrl-C")
    add("--port", type=int, default=0, metavar="N", help="of --serve (default: any)")
    add("--processes", type=int, metavar="N", help="how many write (default: one a core)")
    add("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Write the pages and print where they are; return 1 if some images could not be shown.

    Raises:
        AnymaskError: no data set is there, the folder holds something else, or a report is damaged.
    """
    from anymask.dataset.reports import read_privacy, read_validation
    from anymask.dataset.viewer_site import ViewerOptions

    name = args.name or Path(args.source).resolve().name
    options = ViewerOptions(
        title=name,
        longest_side=args.longest_side,
        validation=None if args.validation is None else read_validation(args.validation),
        privacy=None if args.privacy is None else read_privacy(args.privacy),
        num_processes=args.processes,
    )
    site = _write(args.source, args.output or f"{name}_view", options)
    for problem in site.problems:
        print(f"not shown: {problem}", file=sys.stderr)
    if args.json:
        result = {
            "path": str(site.path),
            "num_images": site.num_images,
            "num_masks": site.num_masks,
            "problems": site.problems,
        }
        print(json.dumps(result), flush=True)
    else:
        print(f"{site.path}: {site.num_images} images, {site.num_masks} masks", flush=True)
    if args.serve:
        _serve(site.path, args.port)
    return 1 if site.problems else 0


def _write(source: str, output: str, options: "ViewerOptions") -> "ViewerSite":
    from tqdm import tqdm

    from anymask.dataset.viewer_site import write_viewer

    with tqdm(unit="part", disable=None) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        return write_viewer(source, output, options, on_progress=show)


def _serve(folder: Path, port: int) -> None:
    from anymask.dataset.viewer_server import serving

    with serving(folder, port) as server:
        print(f"http://127.0.0.1:{server.server_port}/ until Ctrl-C", flush=True)
        server.serve_forever()
