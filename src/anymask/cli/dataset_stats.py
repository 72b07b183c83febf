"""`anymask dataset stats`: what a data set's masks are like, as numbers, plots and a page."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from anymask.core.errors import InvalidInputError

if TYPE_CHECKING:
    from anymask.dataset.counting import CountedDataset
    from anymask.dataset.statistics import DatasetStatistics


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the action's arguments to `parser`."""
    add = parser.add_argument
    add("source", metavar="DATASET", help="archives or files of SA-1B's form, or labelled sets")
    add("-o", "--output", metavar="DIR", help="folder for page and plots (default: NAME_stats)")
    add("--name", help="what the set is called (default: its folder's name)")
    add(
        "--compare",
        action="append",
        default=[],
        metavar="NAME=DATASET",
        help="another set to show beside, or its stats.json; may be repeated",
    )
    add("--processes", type=int, metavar="N", help="how many count (default: one a core)")
    add("--json", action="store_true", help="print the statistics as JSON")


def run(args: argparse.Namespace) -> int:
    """Write stats.json, index.html and plots; return 1 if some images could not be counted.

    Raises:
        AnymaskError: no data set is there, or the folder cannot be written.
    """
    from anymask.cli.output_folder import make_output_folder
    from anymask.core.files import write_bytes, write_json
    from anymask.dataset.statistics_page import write_page
    from anymask.dataset.statistics_plots import draw_figure, figures_of

    name = args.name or Path(args.source).resolve().name
    output = make_output_folder(args.output or f"{name}_stats")
    compared = dict(_named(text) for text in args.compare)
    ours = count_with_progress(args.source, name, args.processes)
    sets = {name: ours.statistics}
    for other, path in compared.items():
        sets[other] = _statistics(path, other, args.processes)
    write_json(output / "stats.json", {"name": name, **ours.statistics.to_json()})
    for figure in figures_of(sets):
        for suffix in ("svg", "png"):
            plot = draw_figure(figure, sets, file_format=suffix)
            write_bytes(output / f"{figure.name}.{suffix}", plot)
    page = write_page(sets, problems=ours.problems)
    write_bytes(output / "index.html", page.encode())
    for problem in ours.problems:
        print(f"not counted: {problem}", file=sys.stderr)
    if args.json:
        print(json.dumps({"name": name, **ours.statistics.to_json()}))
    else:
        one = ours.statistics
        print(
            f"{name}: {one.num_images} images, {one.num_masks} masks, "
            f"{one.mean_masks_per_image:.1f} an image. Look at {output / 'index.html'}"
        )
    return 1 if ours.problems else 0


def count_with_progress(
    source: str | Path, name: str, num_processes: int | None = None
) -> "CountedDataset":
    """Return a data set's statistics, and show how far they are; errors as `count_dataset`."""
    from tqdm import tqdm

    from anymask.dataset.counting import count_dataset

    with tqdm(desc=name, unit="part", disable=None) as bar:

        def show(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        return count_dataset(source, num_processes=num_processes, on_progress=show)


def read_statistics(path: str | Path) -> "DatasetStatistics":
    """Return the statistics of a stats.json.

    Raises:
        InvalidInputError: it is no such file.
    """
    from anymask.core.files import read_json
    from anymask.dataset.statistics import DatasetStatistics

    return DatasetStatistics.from_json(read_json(path))


def _statistics(path: str, name: str, num_processes: int | None) -> "DatasetStatistics":
    """Of another set: counted before, or now."""
    if Path(path).name == "stats.json":
        return read_statistics(path)
    counted = count_with_progress(path, name, num_processes)
    for problem in counted.problems:
        print(f"{name}, not counted: {problem}", file=sys.stderr)
    return counted.statistics


def _named(text: str) -> tuple[str, str]:
    name, equals, path = text.partition("=")
    if not (name and equals and path):
        raise InvalidInputError(
            f"--compare must be NAME=DATASET, got {text!r}. Give the set a name, like COCO=coco/."
        )
    return name, path
