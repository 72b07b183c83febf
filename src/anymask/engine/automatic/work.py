"""A worker: one photo to its released image and masks, or a shard's results to the archive."""

import hashlib
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import torch

from anymask.core.errors import ImageReadError
from anymask.core.image_io import read_image
from anymask.dataset.privacy.concealing import conceal
from anymask.dataset.privacy.regions import find_regions
from anymask.dataset.recorded import iter_dataset
from anymask.dataset.release import ReleasedImage, release_image
from anymask.dataset.shard_writing import write_shard
from anymask.engine.automatic.sources import open_source
from anymask.engine.automatic.tasks import (
    PhotoDone,
    PhotoTask,
    Result,
    ShardDone,
    ShardTask,
    Task,
    WorkSetup,
)
from anymask.engine.automatic.work_list import ListedPhoto
from anymask.inference.generator import MaskGenerator
from anymask.inference.loading import load_predictor


class Worker:
    """Does tasks one after another; holds the model and the detectors, and nothing of a photo.

    Attributes:
        identity: of all that is loaded here and decides a result.

    Raises:
        AnymaskError: the model, the device or a detector cannot be used.
    """

    def __init__(self, setup: WorkSetup) -> None:
        config = setup.config
        torch.set_num_threads(config.num_threads)
        predictor = load_predictor(config.model, config.device, config.dtype)
        self._config, self._folder = config, setup.folder
        self._generator = MaskGenerator(predictor, **asdict(config.generator))
        self._detectors = setup.make_detectors() if config.blur else ()
        placement = predictor.placement
        names = [predictor.model_id, placement.device.type, placement.dtype_name]
        self.identity = " ".join(names + [detector.name for detector in self._detectors])

    def do(self, task: Task) -> Result:
        """Return what was made; its files are there, whole.

        Raises:
            AnymaskError: the photo cannot be used, or a file cannot be written.
        """
        return self._do_photo(task) if isinstance(task, PhotoTask) else self._do_shard(task)

    def _do_photo(self, task: PhotoTask) -> PhotoDone:
        """Conceal first, so that nothing later has seen what is concealed."""
        started = time.perf_counter()
        image = read_image(_read(task.photo), max_pixels=self._config.max_pixels)
        regions = find_regions(self._detectors, image)
        image = conceal(image, regions)
        masks = self._generator.generate(image)
        released = release_image(task.photo.image_id, image, masks, self._config.shortest_side)
        summary = write_shard(self._folder.done(task.shard, task.photo), [released])
        return PhotoDone(
            num_masks=summary.num_masks,
            num_bytes=summary.num_bytes,
            seconds=time.perf_counter() - started,
            regions=regions,
        )

    def _do_shard(self, task: ShardTask) -> ShardDone:
        results = [self._folder.done(task.shard, photo) for photo in task.photos]
        there = [path for path in results if path.exists()]
        if not there:
            return ShardDone(summary=None)
        summary = write_shard(
            self._folder.shard(task.shard),
            _images(there),
            released_bbox=self._config.released_bbox,
        )
        return ShardDone(summary=summary)


def _read(photo: ListedPhoto) -> bytes:
    """The photo's file, known to be the one that was listed."""
    with open_source(photo.source) as stream:
        data = stream.read()
    if hashlib.sha256(data).hexdigest() != photo.digest:
        raise ImageReadError(
            f"{photo.source} must stay as it was when the run began, got another content. "
            "Put it back, or begin a new run."
        )
    return data


def _images(paths: list[Path]) -> Iterator[ReleasedImage]:
    for path in paths:
        for pair, record, masks in iter_dataset(path):
            yield ReleasedImage(
                image_id=record.image_id,
                jpeg=pair.image,
                original_size=(record.height, record.width),
                masks=masks,
            )
