"""`anymask engine masks`: any number of photos to a release, by the model alone."""

import argparse
import json
import signal
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anymask.cli.device_arguments import DTYPES

if TYPE_CHECKING:
    from anymask.engine.automatic.config import AutomaticConfig
    from anymask.engine.automatic.fully_automatic import AutomaticSummary

_NUM_WORKERS_SHOWN = (1, 8, 64, 256)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the action's arguments to `parser`."""
    add = parser.add_argument
    add(
        "photos",
        nargs="*",
        metavar="PHOTOS",
        help="photos, folders (searched to the bottom), URLs, or .txt files with a path or URL a "
        "line",
    )
    add("-o", "--output", required=True, type=Path, metavar="DIR", help="a run there goes on")
    add("--model", metavar="NAME_OR_PATH", help="a known model or a checkpoint (default: built in)")
    add("--device", default="auto", help="auto, cpu, cuda or mps (%(default)s)")
    add("--dtype", choices=DTYPES, default="auto", help="of the image encoder (%(default)s)")
    add(
        "--preset",
        default="calibrated",
        help="calibrated (the paper's crops and grids, the model's own thresholds), paper (its "
        "thresholds as well) or quick (no crops); default: %(default)s",
    )
    add(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="change a setting, e.g. images_per_shard=11186 or generator.points_per_side=16",
    )
    add("--no-blur", action="store_true", help="release faces and plates as they are")
    add(
        "--onnx",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="one more detector of faces or plates, as of `dataset blur`; may be repeated",
    )
    add(
        "--executor",
        choices=("local", "ray"),
        default="local",
        help="workers: processes here, or actors of a Ray cluster (%(default)s)",
    )
    add("--address", help="of the Ray cluster; without it one is started here")
    add("--workers", type=int, metavar="N", help="at a time (default: one a core, or a GPU)")
    add(
        "--estimate",
        type=int,
        metavar="IMAGES",
        help="only say what so many would cost, by the log of the run in DIR",
    )
    add("--json", action="store_true", help="print the outcome as one JSON object")


def run(args: argparse.Namespace) -> int:
    """Make the release, or tell what one would cost; return 1 if photos were set aside.

    Raises:
        AnymaskError: see `run_automatic`.
    """
    if args.estimate is not None:
        return _tell_cost(args.output, args.estimate, as_json=args.json)

    from anymask.dataset.privacy.detectors import DetectorChoice
    from anymask.engine.automatic.fully_automatic import run_automatic

    config = _config(args)
    detectors = DetectorChoice(onnx=tuple(args.onnx))
    with _ending_like_ctrl_c(), _executor(args) as executor:
        summary = run_automatic(
            args.photos, args.output, config, executor, make_detectors=detectors.load
        )
    _tell(summary, as_json=args.json)
    return 1 if summary.num_set_aside else 0


@contextmanager
def _ending_like_ctrl_c() -> Iterator[None]:
    """Return a context in which SIGTERM ends the workers too, as Ctrl-C does."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _config(args: argparse.Namespace) -> "AutomaticConfig":
    from dataclasses import replace

    from anymask.engine.automatic.config import automatic_preset
    from anymask.training.settings import with_settings

    config = with_settings(automatic_preset(args.preset), args.set)
    return replace(
        config,
        model=args.model or config.model,
        device=args.device if args.device != "auto" else config.device,
        dtype=args.dtype if args.dtype != "auto" else config.dtype,
        blur=config.blur and not args.no_blur,
    )


def _executor(args: argparse.Namespace) -> AbstractContextManager[Any]:
    if args.executor == "local":
        from anymask.engine.automatic.executors.local import LocalExecutor

        return nullcontext(LocalExecutor(args.workers))
    from anymask.engine.automatic.executors.ray_cluster import RayExecutor

    return RayExecutor(args.address, args.workers, uses_gpus=args.device.startswith("cuda"))


def _tell(summary: "AutomaticSummary", *, as_json: bool) -> None:
    from dataclasses import asdict

    if as_json:
        print(json.dumps({name: _plain(value) for name, value in asdict(summary).items()}))
        return
    print(f"{summary.release}: {summary.num_images} images, {summary.num_masks} masks")
    if summary.num_duplicates:
        print(f"{summary.num_duplicates} files were copies of others")
    if summary.num_set_aside:
        print(f"{summary.num_set_aside} photos set aside: {summary.set_aside}", file=sys.stderr)


def _tell_cost(output: Path, num_images: int, *, as_json: bool) -> int:
    from dataclasses import asdict

    from anymask.engine.automatic.estimate import estimate_cost
    from anymask.engine.automatic.run_folder import RunFolder

    cost = estimate_cost(RunFolder(path=output).read_log(), num_images)
    hours = {number: cost.hours(number) for number in _NUM_WORKERS_SHOWN}
    if as_json:
        print(json.dumps({**asdict(cost), "hours_by_workers": hours}))
        return 0
    print(
        f"{cost.num_measured} photos took {cost.seconds_per_image:.3f} s of a worker each, with "
        f"{cost.masks_per_image:.1f} masks and {cost.bytes_per_image / 1e3:.0f} kB released"
    )
    print(
        f"{num_images} images: {cost.num_masks:.3g} masks, {cost.num_bytes / 1e12:.3g} TB, "
        f"{cost.worker_hours:,.0f} worker-hours"
    )
    for number, time in hours.items():
        print(f"{number:6} workers {time / 24:10,.1f} days")
    return 0


def _plain(value: object) -> object:
    return str(value) if isinstance(value, Path) else value
