"""A data set in SA-1B's layout from labelled photographs: shard after shard, then the manifest.

What is to be written is put down first, in `sources.json`: which photograph becomes which image. A
run that was stopped goes on by it, and finds whom an image came from if it must be taken back. It
is not part of the release.
"""

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from anymask.core.errors import InvalidInputError
from anymask.core.files import read_json, write_json
from anymask.core.image_io import read_image
from anymask.core.processes import map_in_processes
from anymask.dataset.manifest import MANIFEST_FILE, Manifest, read_manifest, write_manifest
from anymask.dataset.release import SHORTEST_SIDE, ReleasedImage, release_image
from anymask.dataset.release_sources import ReleaseSource
from anymask.dataset.shard_writing import shard_name, write_shard
from anymask.dataset.shards import find_shards

SOURCES_FILE = "sources.json"


@dataclass(frozen=True, kw_only=True)
class ReleaseConfig:
    """How a data set is written.

    Attributes:
        shortest_side: of images, in pixels; shorter ones stay as they are.
        images_per_shard: some 1 MB each; SA-1B has 11,186.
        released_bbox: boxes one pixel short in width and height, as in SA-1B.
        first_image_id: ids go on from here, so that several sets can be one.
    """

    shortest_side: int = SHORTEST_SIDE
    images_per_shard: int = 1000
    released_bbox: bool = False
    first_image_id: int = 1

    def __post_init__(self) -> None:
        """Raise InvalidInputError for numbers below 1."""
        for field in ("shortest_side", "images_per_shard", "first_image_id"):
            value = getattr(self, field)
            if value < 1:
                raise InvalidInputError(f"{field} must be at least 1, got {value}. Raise it.")


@dataclass(frozen=True, kw_only=True)
class _Job:
    image_id: int
    source: ReleaseSource


def write_release(
    sources: Sequence[ReleaseSource],
    folder: str | Path,
    config: ReleaseConfig,
    *,
    num_processes: int | None = None,
    on_image: Callable[[int], None] = lambda count: None,
) -> Manifest:
    """Write the shards that are not there yet, and the manifest when all are.

    The files depend on the photographs, their masks and the configuration only.

    Args:
        sources: image ids are given in this order.
        folder: made if needed; empty, or of an earlier run with the same arguments.
        config: how.
        num_processes: all usable cores by default.
        on_image: told how many more images are in shards.

    Raises:
        InvalidInputError: no sources, the folder is another data set's, or a photograph and its
            masks do not fit.
        ImageReadError: a photograph is damaged.
        OutputError: the folder cannot be written.
    """
    if not sources:
        raise InvalidInputError("sources must be one or more photographs with masks, got none.")
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    _put_down_plan(folder, _plan(sources, config))
    jobs = [_Job(image_id=config.first_image_id + i, source=s) for i, s in enumerate(sources)]
    size = config.images_per_shard
    shards = [
        (folder / shard_name(start // size), jobs[start : start + size])
        for start in range(0, len(jobs), size)
    ]
    todo = [(path, shard) for path, shard in shards if not path.is_file()]
    on_image(len(jobs) - sum(len(shard) for _, shard in todo))
    manifest = folder / MANIFEST_FILE
    if not todo and manifest.is_file():
        return read_manifest(folder)
    manifest.unlink(missing_ok=True)  # it would say that all is there
    for unfinished in folder.glob(".*.tmp"):  # of a run that was killed
        unfinished.unlink()
    release = partial(_release, shortest_side=config.shortest_side)
    # One row of images over all shards, so that the processes never wait for a shard's end.
    released = map_in_processes(release, [job for _, shard in todo for job in shard], num_processes)
    summaries = []
    for path, shard in todo:
        images = _telling(itertools.islice(released, len(shard)), on_image)
        summaries.append(write_shard(path, images, released_bbox=config.released_bbox))
    write_manifest(folder, summaries)
    return read_manifest(folder)


def _release(job: _Job, *, shortest_side: int) -> ReleasedImage:
    path = job.source.path
    image = read_image(path)
    try:
        return release_image(job.image_id, image, job.source.read_masks(), shortest_side)
    except InvalidInputError as error:
        raise InvalidInputError(f"{path}: {error}") from None


def _telling(
    images: Iterator[ReleasedImage], on_image: Callable[[int], None]
) -> Iterator[ReleasedImage]:
    for image in images:
        yield image
        on_image(1)


def _plan(sources: Sequence[ReleaseSource], config: ReleaseConfig) -> dict[str, Any]:
    images = [
        {
            "image_id": config.first_image_id + i,
            "file": str(source.path),
            "num_bytes": source.path.stat().st_size,
            "masks_sha256": source.masks_sha256,
        }
        for i, source in enumerate(sources)
    ]
    return {"config": dataclasses.asdict(config), "images": images}


def _put_down_plan(folder: Path, plan: dict[str, Any]) -> None:
    path = folder / SOURCES_FILE
    if path.is_file():
        if read_json(path) != plan:
            raise InvalidInputError(
                f"{folder} must be a new folder or that of the same sources and options, got "
                "another data set's. Choose another with --output."
            )
    elif find_shards(folder):
        raise InvalidInputError(
            f"{folder} must hold no archives of others, got some. Choose another with --output."
        )
    else:
        write_json(path, plan)
