"""The automatic stage against the number of photos: time and memory, each count in a fresh process.

Photos are small crops of those in a folder, no two alike. Every `SAMPLE_SECONDS` the resident
memory of driver and workers is read. `--smoke` takes a handful (for the tests).
"""

import argparse
import dataclasses
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from anymask.core.files import write_json
from anymask.core.image_io import read_image
from anymask.dataset.photo_folder import find_photos
from anymask.engine.automatic.config import AutomaticConfig, GeneratorOptions
from anymask.engine.automatic.executors.local import LocalExecutor
from anymask.engine.automatic.fully_automatic import run_automatic
from anymask.evaluation.speed.machine import describe_machine

SAMPLE_SECONDS = 0.2
SIDE = 160


@dataclass(frozen=True, kw_only=True)
class Point:
    """What a run of that many photos took.

    Attributes:
        num_photos: of the run.
        num_masks: that it released.
        seconds: of the whole run: listing, starting workers, masks, shards, manifest.
        driver_bytes: peak resident memory of the driver.
        worker_bytes: of the largest worker.
    """

    num_photos: int
    num_masks: int
    seconds: float
    driver_bytes: int
    worker_bytes: int


def draw_crops(source: Path, folder: Path, count: int) -> None:
    """Writes `count` crops of SIDE pixels, at seeded places of the source's photos."""
    photos = find_photos([source])
    dice = np.random.default_rng(0)
    per_photo = -(-count // len(photos))
    number = 0
    for photo in photos:
        image = read_image(photo.path)
        image = np.pad(image, [(0, max(0, SIDE - side)) for side in image.shape[:2]] + [(0, 0)])
        for _ in range(min(per_photo, count - number)):
            top, left = (int(dice.integers(side - SIDE + 1)) for side in image.shape[:2])
            crop = Image.fromarray(image[top : top + SIDE, left : left + SIDE])
            crop.save(folder / f"{number:06d}.jpg", quality=90)
            number += 1


def config(points_per_side: int) -> AutomaticConfig:
    """The default model, asked little of, so that what is not the model shows."""
    generator = GeneratorOptions(points_per_side=points_per_side, crop_num_layers=0)
    return AutomaticConfig(generator=generator, images_per_shard=250, blur=False)


class MemoryWatch:
    """Peaks of the resident memory of this process and of its children, while the context lasts."""

    def __init__(self) -> None:
        self.driver_bytes = self.worker_bytes = 0
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> "MemoryWatch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._is_over.wait(SAMPLE_SECONDS):
            children = Path(f"/proc/self/task/{threading.main_thread().native_id}/children")
            workers = [_resident_bytes(child) for child in children.read_text().split()]
            self.driver_bytes = max(self.driver_bytes, _resident_bytes("self"))
            self.worker_bytes = max(self.worker_bytes, *workers, 0)


def _resident_bytes(process: str) -> int:
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0  # it ended
    return next((1024 * int(line.split()[1]) for line in lines if line.startswith("VmRSS:")), 0)


def run_once(photos: Path, out: Path, num_workers: int, points_per_side: int) -> Point:
    """Runs the stage in this process."""
    started = time.perf_counter()
    with MemoryWatch() as memory:
        summary = run_automatic([photos], out, config(points_per_side), LocalExecutor(num_workers))
    return Point(
        num_photos=summary.num_images,
        num_masks=summary.num_masks,
        seconds=time.perf_counter() - started,
        driver_bytes=memory.driver_bytes,
        worker_bytes=memory.worker_bytes,
    )


def measure(source: Path, count: int, num_workers: int, points_per_side: int) -> Point:
    """Runs the stage on that many photos in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        photos = Path(folder) / "photos"
        photos.mkdir()
        draw_crops(source, photos, count)
        command = [sys.executable, __file__, str(photos), "--once", str(Path(folder) / "out")]
        command += ["--workers", str(num_workers), "--points-per-side", str(points_per_side)]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return Point(**json.loads(done.stdout))


def plot(points: Sequence[Point], title: str, path: Path) -> None:
    """Draws time and memory against the number of photos."""
    from matplotlib.figure import Figure

    counts = [point.num_photos for point in points]
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    figure.suptitle(title, fontsize="medium")
    seconds, memory = figure.subplots(1, 2)
    seconds.plot(counts, [point.seconds for point in points], marker="o")
    last = points[-1]
    seconds.plot([0, counts[-1]], [0, last.seconds], "--", color="grey", label="proportional")
    seconds.set(title="Time", xlabel="photos", ylabel="seconds")
    for name, label in (("worker_bytes", "largest worker"), ("driver_bytes", "driver")):
        values = [getattr(point, name) / 2**20 for point in points]
        memory.plot(counts, values, marker="o", label=label)
    memory.set(title="Peak resident memory", xlabel="photos", ylabel="MiB")
    for axes in (seconds, memory):
        axes.set(xlim=(0, None), ylim=(0, None))
        axes.grid(alpha=0.3)
        axes.legend()
    figure.savefig(path, dpi=120)


def main() -> None:
    """Runs and prints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", type=Path, help="a folder of photos, searched to the bottom")
    parser.add_argument("--counts", type=int, nargs="+", default=(100, 1000, 5000))
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--points-per-side", type=int, default=3)
    parser.add_argument("--output", type=Path, help="JSON of all points; points in it are kept")
    parser.add_argument("--plot", type=Path, help="PNG")
    parser.add_argument("--smoke", action="store_true")
    parser.add_argument("--once", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.once:
        point = run_once(args.photos, args.once, args.workers, args.points_per_side)
        print(json.dumps(dataclasses.asdict(point)))
        return
    counts = (2, 4) if args.smoke else args.counts
    result: dict[str, Any] = {"machine": describe_machine().describe(), "points": []}
    if args.output and args.output.exists():
        result = json.loads(args.output.read_text())
    points = {point["num_photos"]: Point(**point) for point in result["points"]}
    for count in counts:
        if count not in points:
            points[count] = measure(args.photos, count, args.workers, args.points_per_side)
        point = points[count]
        print(
            f"{count:6} photos {point.seconds:8.1f} s {point.num_photos / point.seconds:7.1f} /s "
            f"{point.num_masks:7} masks, driver {point.driver_bytes / 2**20:.0f} MiB, "
            f"worker {point.worker_bytes / 2**20:.0f} MiB",
            flush=True,
        )
        ordered = sorted(points.values(), key=lambda point: point.num_photos)
        result["points"] = [dataclasses.asdict(point) for point in ordered]
        if args.output:
            write_json(args.output, result)
    if args.plot:
        title = f"{args.workers} workers of one thread, crops of {SIDE} pixels"
        plot(ordered, title, args.plot)
    print(result["machine"])


if __name__ == "__main__":
    main()
