"""The part of `anymask evaluate` that asks by name: text to mask on sets whose masks have names."""

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anymask.cli.device_arguments import load_chosen_predictor
from anymask.cli.segment_text import check_text_threshold

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from anymask.core.rle import Rle
    from anymask.dataset.labelled import LabelledImage
    from anymask.evaluation.protocol import EvalRow
    from anymask.evaluation.text_pictures import TextPictures
    from anymask.evaluation.text_to_mask import TextScore
    from anymask.inference.predictor import Predictor

ReadSets = Callable[[Sequence[str | Path]], "dict[str, tuple[LabelledImage, ...]]"]


def add_text_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of the text suite to `parser`."""
    add = parser.add_argument
    add(
        "--seen-names",
        metavar="PATH",
        help="text: names the model was trained with, a file of lines or the training data; the "
        "others are reported apart",
    )
    add("--text-threshold", type=float, metavar="SCORE", help="text: score of what is found (0.75)")
    add(
        "--absent-names",
        type=int,
        default=5,
        metavar="N",
        help="text: names that a photograph does not show asked for in each (%(default)s)",
    )
    add(
        "--exhaustive",
        action="append",
        default=[],
        metavar="SET",
        help="text: a set in which whatever is not labelled is not there (coco, coco_panoptic)",
    )
    add("--no-largest", action="store_true", help="text: leave out the largest-mask baseline")
    add(
        "--pictures",
        type=int,
        default=40,
        metavar="N",
        help="text: pictures of a set on the page at most (%(default)s)",
    )


def check_text_request(args: argparse.Namespace) -> None:
    """Raise InvalidInputError for options that the text suite cannot follow."""
    from anymask.core.errors import InvalidInputError

    for name in ("max_masks", "max_masks_per_image"):
        if getattr(args, name) is not None:
            flag = "--" + name.replace("_", "-")
            raise InvalidInputError(
                f"{flag} must be left out for text, which needs all masks of an image, got "
                f"{getattr(args, name)}. Use --max-images."
            )
    check_text_threshold(args)
    for name in ("absent_names", "pictures"):
        if getattr(args, name) < 0:
            flag = "--" + name.replace("_", "-")
            raise InvalidInputError(f"{flag} must be 0 or more, got {getattr(args, name)}.")


def run_text(args: argparse.Namespace, read_sets: ReadSets) -> int:
    """Evaluate, write rows, queries, report, plot and a page of pictures, return 0.

    Raises:
        AnymaskError: as for the other suites; also where masks have no names or the model knows no
            text.
    """
    from anymask.cli.output_folder import make_output_folder
    from anymask.core.files import write_bytes
    from anymask.evaluation.protocol import rows_to_json_lines
    from anymask.evaluation.report import format_tables
    from anymask.evaluation.sampling import SampleLimits, select_masks
    from anymask.evaluation.text_pictures import TextPictures
    from anymask.evaluation.text_summary import summarise_texts
    from anymask.evaluation.text_to_mask import check_names, names_of
    from anymask.inference.text_search import DEFAULT_THRESHOLD

    limits = SampleLimits(max_images=args.max_images)
    whole = read_sets(args.data)
    vocabularies = {name: names_of(images) for name, images in whole.items()}
    for name, names in vocabularies.items():
        check_names(name, names)
    sets = {name: select_masks(images, limits, seed=args.seed) for name, images in whole.items()}
    seen_names = _seen_names(args.seen_names, read_sets)
    threshold = DEFAULT_THRESHOLD if args.text_threshold is None else args.text_threshold
    output = make_output_folder(args.output)
    folder = make_output_folder(output / "pictures")
    predictor = load_chosen_predictor(args)
    pictures = TextPictures(
        lambda name, content: write_bytes(folder / name, content),
        threshold=threshold,
        max_pictures=args.pictures,
    )
    scores = [
        score
        for name, images in sets.items()
        for score in _evaluate_set(
            args, predictor, name, images, vocabularies[name], threshold, seen_names, pictures
        )
    ]
    rows = summarise_texts(
        scores, threshold=threshold, with_baseline=not args.no_largest, seed=args.seed
    )
    _write_results(args, output, rows, scores, threshold, pictures)
    sys.stdout.write(rows_to_json_lines(rows) if args.json else format_tables(rows))
    return 0


def _seen_names(path: str | None, read_sets: ReadSets) -> tuple[str, ...] | None:
    """The names in a file of lines or in the sets of a folder; None without either.

    Raises:
        InvalidInputError: neither is there.
    """
    from anymask.core.errors import InvalidInputError
    from anymask.evaluation.text_to_mask import names_of

    if path is None:
        return None
    if Path(path).is_dir():
        sets = read_sets([path]).values()
        return names_of([image for images in sets for image in images])
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInputError(
            f"--seen-names must be a file of names or a data folder, got {path} ({error}). "
            "Check the path."
        ) from None
    return tuple(line.strip() for line in lines if line.strip())


def _evaluate_set(
    args: argparse.Namespace,
    predictor: "Predictor",
    name: str,
    images: "Sequence[LabelledImage]",
    vocabulary: Sequence[str],
    threshold: float,
    seen_names: Sequence[str] | None,
    pictures: "TextPictures",
) -> "tuple[TextScore, ...]":
    from tqdm import tqdm

    from anymask.evaluation.text_to_mask import EXHAUSTIVE_SETS, MAX_FOUND, evaluate_texts
    from anymask.inference.generator import MaskGenerator
    from anymask.inference.text_search import TextSearch

    # Answers of any score: recall and the top score of absent names look at them all.
    search = TextSearch(predictor, threshold=0, max_instances=4 * MAX_FOUND)
    generator = MaskGenerator(predictor, points_per_side=16)

    def generate(pixels: "NDArray[np.uint8]") -> "Iterable[Rle]":
        return generator.find(pixels).masks

    is_exhaustive = name in EXHAUSTIVE_SETS or name in args.exhaustive
    progress: Any = tqdm(images, desc=name, unit="image", disable=None)
    return evaluate_texts(
        predictor.embed,
        search.find,
        name,
        progress,
        vocabulary=vocabulary,
        threshold=threshold,
        seen_names=seen_names,
        num_absent=args.absent_names if is_exhaustive else 0,
        generate=None if args.no_largest else generate,
        look=pictures.add if args.pictures else None,
        seed=args.seed,
    )


def _write_results(
    args: argparse.Namespace,
    output: Path,
    rows: "Sequence[EvalRow]",
    scores: "Sequence[TextScore]",
    threshold: float,
    pictures: "TextPictures",
) -> None:
    from anymask.core.files import write_bytes
    from anymask.evaluation.plot import plot_rows
    from anymask.evaluation.protocol import rows_to_json_lines
    from anymask.evaluation.report import format_report
    from anymask.evaluation.text_summary import text_scores_to_json_lines

    model = args.model or "the built-in model"
    given = {
        "text_threshold": threshold,
        "max_images": args.max_images,
        "absent_names": args.absent_names,
        "seen_names": args.seen_names,
        "seed": args.seed,
    }
    settings = ", ".join(f"{name}={value}" for name, value in given.items() if value is not None)
    unit = "queries (a name in a photograph)"
    report = format_report(rows, model=model, settings=settings, unit=unit)
    page = pictures.page(title=f"Text to mask by {model}")
    write_bytes(output / "pictures" / "index.html", page.encode())
    write_bytes(output / "queries.jsonl", text_scores_to_json_lines(scores).encode())
    write_bytes(output / "rows.jsonl", rows_to_json_lines(rows).encode())
    write_bytes(output / "plot.png", plot_rows(rows, title=model))
    write_bytes(output / "report.md", report.encode())
