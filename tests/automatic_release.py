"""What tests of the automatic stage share: photos, a tiny model, workers in this process.

Run as `python automatic_release.py MODEL PHOTOS OUT WORKERS` it makes a release (for kill -9).
"""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from anymask.dataset.privacy.regions import Region
from anymask.engine.automatic.config import AutomaticConfig, GeneratorOptions
from anymask.engine.automatic.executors.local import LocalExecutor
from anymask.engine.automatic.fully_automatic import run_automatic
from anymask.engine.automatic.tasks import Ready, Report, Task, Unusable, WorkSetup, attempt
from anymask.engine.automatic.work import Worker
from anymask.model.checkpoints import build_sam, save_sam
from anymask.model.presets import preset
from tiny_predictor import noise_image


def save_tiny_model(path: Path) -> Path:
    save_sam(build_sam(preset("tiny"), seed=7), path)
    return path


def draw_photos(folder: Path, count: int) -> Path:
    folder.mkdir()
    for seed in range(count):
        Image.fromarray(noise_image(seed=seed)).save(folder / f"{seed}.png")
    return folder


def tiny_config(model: Path, **changes: Any) -> AutomaticConfig:
    generator = GeneratorOptions(
        points_per_side=2,
        crop_num_layers=0,
        pred_iou_thresh=0.0,
        stability_score_thresh=0.0,
        min_mask_region_area=5,
        min_mask_area=5,
        max_mask_area_fraction=1.0,
    )
    options: dict[str, Any] = {
        "model": str(model),
        "device": "cpu",
        "dtype": "float32",
        "generator": generator,
        "images_per_shard": 3,
        "shortest_side": 40,
        "blur": False,
    }
    return AutomaticConfig(**(options | changes))


def released(out: Path) -> dict[str, bytes]:
    """The released files by name."""
    return {path.name: path.read_bytes() for path in (out / "release").iterdir()}


@dataclass(eq=False)
class InlineMember:
    worker: Worker | Unusable
    owed: list[Report]
    executor: "InlineExecutor"

    def send(self, task: Task) -> None:
        self.executor.tasks.append(task)
        if isinstance(self.worker, Worker):
            told = self.executor.instead(task)
            self.owed.append(attempt(self.worker, task) if told is None else told)

    def stop(self) -> None:
        self.owed.clear()


def _nothing(task: Task) -> Report | None:
    return None


@dataclass
class InlineExecutor:
    """Workers of this process; `instead` may report something else than the work, or raise."""

    num_workers: int = 1
    instead: Callable[[Task], Report | None] = _nothing
    tasks: list[Task] = field(default_factory=list)

    def hire(self, setup: WorkSetup) -> InlineMember:
        worker = setup.start()
        return InlineMember(worker, [Ready(identity=worker.identity)], self)

    def first_report(
        self, members: Sequence[InlineMember], timeout_seconds: float | None
    ) -> tuple[InlineMember, Report] | None:
        # The last one first: workers overtake each other.
        member = next(member for member in reversed(members) if member.owed)
        return member, member.owed.pop(0)


class CornerDetector:
    """Finds a face in the left upper corner of every image."""

    name = "corner"

    def find(self, image: np.ndarray) -> tuple[Region, ...]:
        return (Region(box=(0, 0, 20, 20), kind="face", score=0.9, source=self.name),)


def corner_detectors() -> tuple[CornerDetector, ...]:
    return (CornerDetector(),)


class RedIsDeadly:
    """Ends the process at an image whose first pixel is red, as a broken decoder would."""

    name = "deadly"

    def find(self, image: np.ndarray) -> tuple[Region, ...]:
        if image[0, 0].tolist() == [255, 0, 0]:
            import os

            os._exit(9)
        return ()


def deadly_detectors() -> tuple[RedIsDeadly, ...]:
    return (RedIsDeadly(),)


if __name__ == "__main__":
    model, photos, out, workers = sys.argv[1:]
    # Enough tries for the test's kills to be nobody's fault.
    config = tiny_config(Path(model), num_tries=20)
    run_automatic([photos], Path(out), config, LocalExecutor(int(workers)))
