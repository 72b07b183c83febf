"""`anymask engine audit`: people correct a random sample of a data set's masks (Sec. 5)."""

import argparse
import json
import sys


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the action's arguments to `parser`."""
    actions = parser.add_subparsers(dest="step", metavar="STEP", required=True)
    text = "put a sample of a data set into a studio"
    begin = actions.add_parser("begin", help=text, description=f"{text.capitalize()}.")
    begin.add_argument("dataset", metavar="DATASET", help="archives, or images with JSON beside")
    begin.add_argument("--images", type=int, default=500, help="in the sample (default: 500)")
    begin.add_argument("--seed", type=int, default=0, help="of the sample (default: 0)")
    text = "write what people's corrections say: JSON, a page, a plot"
    report = actions.add_parser("report", help=text, description=f"{text}.")
    report.add_argument("-o", "--output", required=True, metavar="DIR", help="gets the files")
    for step in (begin, report):
        step.add_argument("--data", required=True, metavar="FOLDER", help="of `anymask serve`")
        step.add_argument("--project", default="Audit", help="its name (default: Audit)")
        step.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    """Begin an audit, or write its report; return 0.

    Raises:
        AnymaskError: no data set, project or room; or something in the data set is damaged.
    """
    return _begin(args) if args.step == "begin" else _report(args)


def _begin(args: argparse.Namespace) -> int:
    from tqdm import tqdm

    from anymask.cli.studio_folder import open_studio_folder

    with open_studio_folder(args.data) as (database, blobs):
        from anymask.engine.quality.audit import begin_audit, draw_sample

        chosen = draw_sample(args.dataset, args.images, args.seed)
        with tqdm(total=len(chosen), unit="image", disable=None, file=sys.stderr) as progress:
            project = begin_audit(
                database,
                blobs,
                args.dataset,
                name=args.project,
                image_ids=chosen,
                on_image=progress.update,
            )
    if args.json:
        print(json.dumps({"project_id": project, "image_ids": chosen}))
    else:
        print(f"{len(chosen)} images are in project {args.project!r}: anymask serve --data ...")
    return 0


def _report(args: argparse.Namespace) -> int:
    from anymask.cli.output_folder import make_output_folder
    from anymask.cli.studio_folder import open_studio_folder, project_named

    with open_studio_folder(args.data) as (database, _):
        from anymask.engine.quality.audit_figures import measure_audit
        from anymask.engine.quality.audit_report import write_audit_report
        from anymask.engine.store.audited import corrected_masks

        project = project_named(database, args.project)
        with database.reading() as session:
            figures = measure_audit(list(corrected_masks(session, project)))
    page = write_audit_report(figures, make_output_folder(args.output), args.project)
    print(json.dumps(figures.to_json()) if args.json else page)
    return 0
