"""`anymask evaluate`: how good a model is on folders of photographs with masks."""

import argparse
import os
import sys
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from anymask.cli.device_arguments import (
    add_close_up_argument,
    add_device_arguments,
    load_chosen_predictor,
)
from anymask.cli.evaluate_text import add_text_arguments, check_text_request, run_text

if TYPE_CHECKING:
    from anymask.dataset.labelled import LabelledImage
    from anymask.evaluation.protocol import EvalRow, Predictor, SetScores


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to `parser`."""
    add = parser.add_argument
    add(
        "suite",
        choices=("points", "boxes", "text"),
        help="prompts to evaluate: clicks, tight boxes or the names of the masks",
    )
    add(
        "data",
        nargs="+",
        metavar="DATA",
        help="a set (images/ and masks.json.gz) or a folder of sets",
    )
    add("--model", metavar="NAME_OR_PATH", help="a known model or a checkpoint (default: built in)")
    add(
        "-o",
        "--output",
        default="evaluation",
        metavar="DIR",
        help="folder for the results (%(default)s)",
    )
    add("--max-images", type=int, metavar="N", help="images of a set at most, drawn by the seed")
    add("--max-masks-per-image", type=int, metavar="N", help="masks of an image at most")
    add("--max-masks", type=int, metavar="N", help="masks of a set at most, by whole images")
    add("--noc", action="store_true", help="points: count clicks to IoU 0.85 and 0.90, up to 20")
    add(
        "--first-point",
        choices=("center", "random"),
        default="center",
        help="points: first click in the middle of the mask or anywhere on it (%(default)s)",
    )
    add("--no-grabcut", action="store_true", help="boxes: leave out the slow GrabCut baseline")
    add_close_up_argument(parser)
    add_text_arguments(parser)
    add("--seed", type=int, default=0, help="draws images, masks and intervals (%(default)s)")
    add_device_arguments(parser, dtype="float32")
    add("--json", action="store_true", help="print the rows as JSON lines, not as a table")


def run(args: argparse.Namespace) -> int:
    """Evaluate, write rows.jsonl, report.md and plot.png into the output folder, return 0.

    Raises:
        AnymaskError: the data, the model or the output folder cannot be used, or an optional
            package is missing; found before the slow part where possible.
    """
    _check_request(args)
    if args.suite == "text":
        return run_text(args, read_sets)
    from anymask.cli.output_folder import make_output_folder
    from anymask.evaluation.protocol import rows_to_json_lines
    from anymask.evaluation.report import format_tables
    from anymask.evaluation.sampling import SampleLimits, select_masks
    from anymask.evaluation.summary import summarise

    limits = SampleLimits(
        max_images=args.max_images,
        max_masks_per_image=args.max_masks_per_image,
        max_masks=args.max_masks,
    )
    sets = {
        name: select_masks(images, limits, seed=args.seed)
        for name, images in read_sets(args.data).items()
    }
    output = make_output_folder(args.output)
    whole = load_chosen_predictor(args)
    predictor: Predictor = whole
    if not args.no_close_up:
        from anymask.inference.close_up import CloseUpPredictor

        predictor = CloseUpPredictor(whole)
    scores = [_evaluate_set(args, predictor, name, images) for name, images in sets.items()]
    rows = summarise(scores, seed=args.seed)
    _write_results(args, output, rows)
    sys.stdout.write(rows_to_json_lines(rows) if args.json else format_tables(rows))
    return 0


def _check_request(args: argparse.Namespace) -> None:
    from anymask.core.errors import InvalidInputError, MissingExtraError

    if args.seed < 0:
        raise InvalidInputError(f"--seed must be 0 or more, got {args.seed}. Choose another.")
    if find_spec("matplotlib") is None:
        raise MissingExtraError("matplotlib", "eval")
    if args.suite == "text":
        check_text_request(args)
    if args.suite == "boxes" and not args.no_grabcut and find_spec("cv2") is None:
        raise MissingExtraError("opencv-python-headless", "eval")


def read_sets(folders: Sequence[str | Path]) -> "dict[str, tuple[LabelledImage, ...]]":
    """Return the photographs of each set in the folders, by the set's name.

    Raises:
        InvalidInputError: a folder holds no set, or two sets have one name.
    """
    from anymask.core.errors import InvalidInputError
    from anymask.dataset.sets import find_sets, read_set

    paths: dict[str, Path] = {}
    for folder in folders:
        for name, path in find_sets(folder).items():
            if name in paths:
                raise InvalidInputError(
                    f"sets must have different names, got {paths[name]} and {path}. "
                    "Rename one folder or evaluate them apart."
                )
            paths[name] = path
    return {name: read_set(path) for name, path in paths.items()}


def _evaluate_set(
    args: argparse.Namespace,
    predictor: "Predictor",
    name: str,
    images: "Sequence[LabelledImage]",
) -> "SetScores":
    from tqdm import tqdm

    from anymask.evaluation.box_to_mask import evaluate_boxes
    from anymask.evaluation.grabcut import GrabCut
    from anymask.evaluation.point_to_mask import evaluate_points

    progress: Iterable[LabelledImage] = tqdm(images, desc=name, unit="image", disable=None)
    if args.suite == "points":
        return evaluate_points(
            predictor,
            name,
            progress,
            with_noc=args.noc,
            first_point=args.first_point,
            seed=args.seed,
        )
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    grabcut = None if args.no_grabcut else GrabCut(cache_folder=cache / "anymask" / "grabcut")
    return evaluate_boxes(predictor, name, progress, grabcut=grabcut)


def _write_results(args: argparse.Namespace, output: Path, rows: "Sequence[EvalRow]") -> None:
    from anymask.core.files import write_bytes
    from anymask.evaluation.plot import plot_rows
    from anymask.evaluation.protocol import rows_to_json_lines
    from anymask.evaluation.report import format_report

    model = args.model or "the built-in model"
    settings = ", ".join(
        f"{name}={getattr(args, name)}"
        for name in (
            "max_images",
            "max_masks_per_image",
            "max_masks",
            "first_point",
            "no_close_up",
            "seed",
        )
        if getattr(args, name) is not None
    )
    report = format_report(rows, model=model, settings=settings)
    write_bytes(output / "rows.jsonl", rows_to_json_lines(rows).encode())
    write_bytes(output / "plot.png", plot_rows(rows, title=model))
    write_bytes(output / "report.md", report.encode())
