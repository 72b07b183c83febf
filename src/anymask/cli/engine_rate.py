"""`anymask engine rate`: people rate masks of several sources from 1 to 10 (App. E)."""

import argparse
import json
import sys
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the action's arguments to `parser`."""
    actions = parser.add_subparsers(dest="step", metavar="STEP", required=True)
    text = "put masks of several sources into a studio, shuffled"
    begin = actions.add_parser("begin", help=text, description=f"{text.capitalize()}.")
    begin.add_argument(
        "sources",
        nargs="+",
        metavar="NAME=PATH",
        help="annotation folders of any known format, or archives; the first names the objects",
    )
    begin.add_argument("--pictures", required=True, metavar="DIR", help="the image files")
    begin.add_argument("--objects", type=int, default=1000, help="to be rated (default: 1000)")
    begin.add_argument("--raters", type=int, default=1, help="of each mask (default: 1)")
    begin.add_argument("--seed", type=int, default=0, help="of choice and order (default: 0)")
    begin.add_argument("--by-id", action="store_true", help="match masks by id rather than by IoU")
    begin.add_argument("--points", action="store_true", help="show the points that masks answer")
    text = "write what the ratings say: JSON, a page, a plot"
    report = actions.add_parser("report", help=text, description=f"{text}.")
    report.add_argument("-o", "--output", required=True, metavar="DIR", help="gets the files")
    for step in (begin, report):
        step.add_argument("--data", required=True, metavar="FOLDER", help="of `anymask serve`")
        step.add_argument("--project", default="Rating", help="its name (default: Rating)")
        step.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Begin a study, or write its report; return 0.

    Raises:
        AnymaskError: no source, picture, project or room.
    """
    return _begin(args) if args.step == "begin" else _report(args)


def _begin(args: argparse.Namespace) -> int:
    from tqdm import tqdm

    from anymask.cli.studio_folder import open_studio_folder
    from anymask.core.errors import InvalidInputError

    named = [text.partition("=") for text in args.sources]
    wrong = [text for text, (name, _, path) in zip(args.sources, named, strict=True) if not path]
    if wrong or len({name for name, _, _ in named}) < len(named):
        raise InvalidInputError(
            f"sources must be NAME=PATH with different names, got {args.sources}. Correct them."
        )
    with open_studio_folder(args.data) as (database, blobs):
        from anymask.dataset.formats.reading import find_files
        from anymask.engine.quality.rating import begin_study
        from anymask.engine.quality.rating_sources import match_sources, read_source

        pictures = find_files(Path(args.pictures)).pictures
        sources = {name: read_source(path, pictures) for name, _, path in named}
        objects = match_sources(sources, count=args.objects, seed=args.seed, by_id=args.by_id)
        stems = {one.stem for one in objects}
        with tqdm(total=len(stems), unit="image", disable=None, file=sys.stderr) as progress:
            project = begin_study(
                database,
                blobs,
                pictures,
                objects,
                name=args.project,
                raters=args.raters,
                seed=args.seed,
                has_points=args.points,
                on_image=progress.update,
            )
    masks = {name: sum(name in one.masks for one in objects) for name in sources}
    if args.json:
        print(json.dumps({"project_id": project, "objects": len(objects), "masks": masks}))
    else:
        counts = ", ".join(f"{count} of {name}" for name, count in masks.items())
        print(f"{len(objects)} objects, masks {counts}, are in project {args.project!r}.")
    return 0


def _report(args: argparse.Namespace) -> int:
    from anymask.cli.output_folder import make_output_folder
    from anymask.cli.studio_folder import open_studio_folder, project_named

    with open_studio_folder(args.data) as (database, _):
        from anymask.engine.quality.rating_figures import measure_ratings
        from anymask.engine.quality.rating_report import write_rating_report
        from anymask.engine.store.ratings import list_ratings

        project = project_named(database, args.project)
        with database.reading() as session:
            figures = measure_ratings(list_ratings(session, project))
    page = write_rating_report(figures, make_output_folder(args.output), args.project)
    print(json.dumps(figures.to_json()) if args.json else page)
    return 0
