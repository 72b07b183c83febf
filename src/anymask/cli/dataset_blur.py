"""`anymask dataset blur`: a copy of a data set with faces and plates concealed; it resumes."""

import argparse
import json
import os
import sys
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the action's arguments to `parser`."""
    add = parser.add_argument
    add("source", metavar="SOURCE", help="a folder of photos or archives, one archive, or a row")
    add("-o", "--output", required=True, metavar="DIR", help="folder for the copy")
    add(
        "--detector",
        choices=("centerface", "none"),
        default="centerface",
        help="the built-in detector of faces, or only those of --onnx (default: centerface)",
    )
    add(
        "--onnx",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="a detector of faces or plates, with FILE's .json beside it; may be repeated",
    )
    add("--report", action="store_true", help="write report/report.json and report/report.html")
    add(
        "--originals",
        type=Path,
        metavar="HTML",
        help="write a page that shows originals too, for reviewers; not into the copy",
    )
    add(
        "--workers",
        type=int,
        default=os.cpu_count() or 1,
        metavar="N",
        help="processes (default: one a core)",
    )
    add("--json", action="store_true", help="print the counts as JSON")


def run(args: argparse.Namespace) -> int:
    """Write the copy; return 1 if pictures had to be left out.

    Raises:
        AnymaskError: nothing to read, no detector, or the folder cannot be written.
    """
    from tqdm import tqdm

    from anymask.cli.output_folder import make_output_folder
    from anymask.core.errors import InvalidInputError
    from anymask.dataset.privacy.blur_report import (
        check_outside,
        summarize,
        write_report,
        write_reviewer_report,
    )
    from anymask.dataset.privacy.blurring import blur_dataset
    from anymask.dataset.privacy.detectors import DetectorChoice
    from anymask.dataset.privacy.journal import BlurredImage

    if args.workers < 1:
        raise InvalidInputError(f"--workers must be at least 1, got {args.workers}. Correct it.")
    output = make_output_folder(args.output)
    if output.resolve().is_relative_to(Path(args.source).resolve()):
        raise InvalidInputError(
            f"--output must lie outside of the source, got {output}. Choose another folder."
        )
    if args.originals is not None:
        check_outside(args.originals, output)
    choice = DetectorChoice(with_default=args.detector != "none", onnx=tuple(args.onnx))
    with tqdm(unit="image", disable=None, file=sys.stderr) as progress:

        def report(image: BlurredImage) -> None:
            if image.problem is not None:
                progress.write(f"anymask: error: {image.name}: {image.problem}", file=sys.stderr)
            progress.update()

        images = blur_dataset(
            args.source, output, choice, num_workers=args.workers, progress=report
        )
    summary = summarize(images)
    if args.report:
        page = write_report(output, images, choice.to_json())
        print(f"report: {page}", file=sys.stderr)
    if args.originals is not None:
        write_reviewer_report(args.originals, args.source, output, images)
    if args.json:
        print(json.dumps(summary))
    else:
        print(
            f"{summary['num_images']} pictures, {summary['num_regions']} regions concealed in "
            f"{summary['num_images_with_regions']}, {summary['num_left_out']} left out"
        )
    return 1 if summary["num_left_out"] else 0
