"""`anymask everything`: all masks of images, as SA-1B JSON and a picture; it resumes."""

import argparse
import json
import sys
import time
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anymask.cli.device_arguments import add_device_arguments, load_chosen_predictor
from anymask.core.errors import ImageReadError, InvalidInputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from anymask.core.records import MaskRecord
    from anymask.inference.generator import MaskGenerator

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp")

# The options of MaskGenerator with its defaults; a table, as importing it here would load torch.
OPTIONS: tuple[tuple[str, type, float | None, str], ...] = (
    ("points_per_side", int, 32, "clicks along each side of the image"),
    ("points_per_batch", int, 64, "clicks decoded together"),
    ("pred_iou_thresh", float, None, "drop masks of a lower predicted IoU"),
    ("stability_score_thresh", float, None, "drop masks of a lower stability"),
    ("stability_score_offset", float, None, "how far stability moves the threshold, in logits"),
    ("box_nms_thresh", float, 0.7, "overlap from which two masks of a crop are one"),
    ("crop_num_layers", int, 0, "layers of crops looked at besides the whole image"),
    ("crop_nms_thresh", float, 0.7, "overlap from which two masks of two crops are one"),
    ("crop_overlap_ratio", float, 512 / 1500, "overlap of crops, of the short side"),
    ("crop_points_downscale_factor", int, 1, "fewer clicks a side by this in each layer"),
    ("min_mask_region_area", float, 0, "fill holes, remove islands of fewer pixels"),
    ("max_mask_area_fraction", float, 0.95, "drop masks that cover more of the image"),
    ("min_mask_area", float, 0, "drop masks of fewer pixels"),
    ("adaptive_grid", bool, False, "ask a third of the clicks, more where that finds more"),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's arguments to `parser`."""
    add = parser.add_argument
    add(
        "images",
        nargs="+",
        metavar="IMAGE|DIR",
        help="pictures, or folders of them (not their sub-folders)",
    )
    add("-o", "--output", required=True, metavar="DIR", help="folder for the results")
    add("--overwrite", action="store_true", help="do images again that are done")
    add("--model", metavar="NAME_OR_PATH", help="a known model or a checkpoint (default: built in)")
    add_device_arguments(parser)
    add("--json", action="store_true", help="print a JSON line for each image")
    for name, kind, default, text in OPTIONS:
        flag = "--" + name.replace("_", "-")
        if kind is bool:
            add(flag, action="store_true", help=text)
            continue
        shown = "the model's own" if default is None else f"{default:.4g}"
        add(flag, type=kind, default=default, metavar="N", help=f"{text} ({shown})")


def run(args: argparse.Namespace) -> int:
    """Write STEM.json and STEM_overlay.png for each image; return 1 if some could not be done.

    While the network works on an image, the next one is read and the one before is written.

    Raises:
        AnymaskError: no images, an option out of range, the model or the output folder cannot be
            used. An image that cannot be read is reported, and the rest goes on.
    """
    from anymask.cli.output_folder import make_output_folder

    paths = find_images([Path(name) for name in args.images])
    output = make_output_folder(args.output)
    todo = [path for path in paths if args.overwrite or not _is_done(output, path)]
    if len(todo) < len(paths):
        print(f"{len(paths) - len(todo)} of {len(paths)} images are done", file=sys.stderr)
    if not todo:
        return 0

    from anymask.inference.generator import MaskGenerator

    options: dict[str, Any] = {name: getattr(args, name) for name, *_ in OPTIONS}
    generator = MaskGenerator(load_chosen_predictor(args), **options)
    started = time.perf_counter()
    failures = _process_all(generator, todo, output, as_json=args.json)
    minutes = (time.perf_counter() - started) / 60
    done = len(todo) - failures
    print(f"{done} images, {done / minutes:.1f} a minute", file=sys.stderr)
    return 1 if failures else 0


def _process_all(
    generator: "MaskGenerator", paths: Sequence[Path], output: Path, *, as_json: bool
) -> int:
    """The number of images that could not be done; the others are written and reported."""
    from tqdm import tqdm

    failures = 0
    written: deque[Future[dict[str, Any]]] = deque()
    with (
        ThreadPoolExecutor(1) as reader,
        ThreadPoolExecutor(1) as writer,
        tqdm(total=len(paths), unit="image", disable=None, file=sys.stderr) as progress,
    ):

        def report(error: Exception | None = None) -> None:
            """Say what became of an image; without an error, of the one now being written."""
            if error is None:
                summary = written.popleft().result()
                line = json.dumps(summary) if as_json else _sentence(summary)
                progress.write(line, file=sys.stdout)
            else:
                progress.write(f"anymask: error: {error}", file=sys.stderr)
            progress.update()

        for path, reading in _read_ahead(reader, paths):
            try:
                image = reading.result()
                masks = generator.generate(image)
            except (ImageReadError, InvalidInputError) as error:
                failures += 1
                report(error)
                continue
            except MemoryError:
                failures += 1
                report(MemoryError(f"out of memory at {path}"))
                continue
            if written:  # one at a time, so that finished images do not fill the memory
                report()
            written.append(writer.submit(_write, path, image, masks, output))
        if written:
            report()
    return failures


def _read_ahead(
    reader: ThreadPoolExecutor, paths: Sequence[Path]
) -> Iterator[tuple[Path, "Future[NDArray[np.uint8]]"]]:
    """Yield each path with its image, while the next one is being read."""
    from anymask.core.image_io import read_image

    following = reader.submit(read_image, paths[0])
    for path, next_path in zip_longest(paths, paths[1:]):
        current = following
        if next_path is not None:
            following = reader.submit(read_image, next_path)
        yield path, current


def _sentence(summary: dict[str, Any]) -> str:
    return f"{summary['image']}: {summary['num_masks']} masks"


def find_images(paths: Sequence[Path]) -> list[Path]:
    """Return the images that files and folders stand for, in order, folders by name.

    Raises:
        InvalidInputError: a folder without images, or two images that would share an output name.
    """
    found: dict[str, Path] = {}
    for path in paths:
        images = [path]
        if path.is_dir():
            images = sorted(p for p in path.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)
            if not images:
                raise InvalidInputError(
                    f"{path} must hold images ({', '.join(IMAGE_SUFFIXES)}), got none. "
                    "Name another folder."
                )
        for image in images:
            other = found.setdefault(image.stem, image)
            if other.resolve() != image.resolve():
                raise InvalidInputError(
                    f"images must differ in name, got {other} and {image}. "
                    "Rename one, or write them to different folders."
                )
    return list(found.values())


def _is_done(output: Path, image: Path) -> bool:
    from anymask.core.records import read_records

    try:
        record, _ = read_records(output / f"{image.stem}.json")
    except InvalidInputError:
        return False
    return record.file_name == image.name


def _write(
    path: Path, image: "NDArray[np.uint8]", masks: Sequence["MaskRecord"], output: Path
) -> dict[str, Any]:
    """Write one image's files, the JSON last as it marks the image as done."""
    from anymask.core.image_io import write_png
    from anymask.core.records import ImageRecord, mask_id, write_records
    from anymask.inference.overlay import draw_rle_overlay

    # From the name, so that a resumed or a larger run gives the same numbers.
    image_id = zlib.crc32(path.name.encode())
    record = ImageRecord(
        image_id=image_id, width=image.shape[1], height=image.shape[0], file_name=path.name
    )
    numbered = [replace(mask, id=mask_id(image_id, mask.id)) for mask in masks]
    by_size = sorted(masks, key=lambda mask: -mask.area)
    overlay = draw_rle_overlay(image, [mask.segmentation for mask in by_size])
    write_png(output / f"{path.stem}_overlay.png", overlay)
    write_records(output / f"{path.stem}.json", record, numbered)
    return {"image": str(path), "num_masks": len(masks), "json": f"{path.stem}.json"}
