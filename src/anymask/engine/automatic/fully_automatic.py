"""From photos and a model to a release: what is done next, and what became of it.

At-least-once work, exactly-once output: a photo's result appears under its hash, whole; an archive
appears when all its photos are done or set aside; the manifest appears last. A run that is stopped
anywhere goes on from the files that are there, and ends with the same bytes.
"""

import sys
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Generic

from tqdm import tqdm

from anymask.core.errors import InvalidInputError, OutputError
from anymask.core.files import read_json, write_json
from anymask.dataset.manifest import read_manifest, write_manifest
from anymask.dataset.privacy.detectors import default_detectors
from anymask.engine.automatic.config import AutomaticConfig
from anymask.engine.automatic.crew import Crew, Executor, M
from anymask.engine.automatic.run_folder import RunFolder
from anymask.engine.automatic.tasks import (
    Failure,
    MakeDetectors,
    PhotoDone,
    PhotoTask,
    Result,
    ShardDone,
    ShardTask,
    Task,
    WorkSetup,
)
from anymask.engine.automatic.work_list import ListedPhoto, WorkList, open_work_list


@dataclass(frozen=True, kw_only=True)
class AutomaticSummary:
    """What a run made.

    Attributes:
        release: the folder of shards and manifest.
        num_photos: of different content.
        num_duplicates: files with the content of another.
        num_images: released.
        num_masks: released.
        set_aside: the list of photos that could not be used, with reasons.
        num_set_aside: in it.
    """

    release: Path
    num_photos: int
    num_duplicates: int
    num_images: int
    num_masks: int
    set_aside: Path
    num_set_aside: int


def run_automatic(
    photos: Sequence[str | Path],
    out: Path,
    config: AutomaticConfig,
    executor: Executor[M],
    *,
    make_detectors: MakeDetectors = default_detectors,
) -> AutomaticSummary:
    """Make a release of photos, or go on with one.

    The bytes of `out/release` are a function of the photos' contents, the model and the options:
    not of names, order, time, the number of workers, or where they are.

    Args:
        photos: what `find_sources` takes.
        out: for everything that is written; see `RunFolder`.
        config: what is done with each photo.
        executor: where the workers are.
        make_detectors: of what is concealed where `config.blur` says so; can be pickled.

    Raises:
        InvalidInputError: no photo can be used, other photos or options than those that the run in
            `out` began with, or the model cannot be loaded.
        OutputError: a file cannot be written (disk full); the run can go on later.
    """
    if config.model is not None and Path(config.model).exists():
        config = replace(config, model=str(Path(config.model).absolute()))
    folder = RunFolder(path=Path(out).absolute())
    folder.make()
    with folder.locked():
        folder.agree("options", config.outcome_json())
        work_list = open_work_list(photos, folder.private)
        if not folder.manifest.exists():
            setup = WorkSetup(config=config, folder=folder, make_detectors=make_detectors)
            with Crew(executor, setup, config.photo_seconds) as crew:
                _Run(crew, folder, work_list, config).work()
            _finish(folder, work_list)
        return _summary(folder, work_list)


class _Run(Generic[M]):
    """The driver's memory: the shards that are begun, and the tries of photos that failed."""

    def __init__(
        self, crew: Crew[M], folder: RunFolder, work_list: WorkList, config: AutomaticConfig
    ) -> None:
        self._crew = crew
        self._folder = folder
        self._work_list = work_list
        self._config = config
        self._first: deque[Task] = deque()  # what goes before new photos
        self._open: dict[int, _OpenShard] = {}
        self._failures: Counter[Task] = Counter()
        self._bar = tqdm(total=work_list.num_photos, unit="photo", disable=None, file=sys.stderr)

    def work(self) -> None:
        """Do all that is not done; ends when every shard is whole."""
        tasks = self._tasks()
        with self._bar:
            while True:
                while self._crew.has_room:
                    task = self._first.popleft() if self._first else next(tasks, None)
                    if task is None:
                        break
                    self._crew.submit(task)
                if not self._crew.num_tasks:
                    return
                self._take(*self._crew.wait())

    def _tasks(self) -> Iterator[Task]:
        """The tasks of all shards that are not there, one shard's photos in memory at a time."""
        for number, photos in self._work_list.shards(self._config.images_per_shard):
            if self._folder.shard(number).exists():
                self._folder.close_shard(number)
                self._bar.update(len(photos))
                continue
            self._folder.done_folder(number).mkdir(parents=True, exist_ok=True)
            todo = [photo for photo in photos if not self._folder.is_over(number, photo)]
            self._bar.update(len(photos) - len(todo))
            self._open[number] = _OpenShard(photos=photos, num_left=len(todo))
            if not todo:
                yield ShardTask(shard=number, photos=photos)
            for photo in todo:
                yield PhotoTask(shard=number, photo=photo)

    def _take(self, task: Task, result: Result) -> None:
        if isinstance(result, Failure):
            self._take_failure(task, result)
            return
        del self._failures[task]
        if isinstance(task, PhotoTask):
            assert isinstance(result, PhotoDone)
            self._folder.append_log(_log_row(task.photo, result))
            self._close_photo(task)
        else:
            assert isinstance(result, ShardDone)
            if result.summary is not None:
                self._folder.keep_summary(task.shard, result.summary)
            self._folder.close_shard(task.shard)
            del self._open[task.shard]

    def _take_failure(self, task: Task, failure: Failure) -> None:
        """Try again, at once so that few shards are open; set a photo aside in the end.

        Raises:
            OutputError: a file could not be written.
            InvalidInputError: a shard's results cannot be read back.
        """
        reason = failure.reason.rstrip(".")
        if failure.stops_run:
            raise OutputError(f"{reason}. Nothing is lost; start again.")
        self._failures[task] += 1
        if self._failures[task] < self._config.num_tries:
            self._first.append(task)
        elif isinstance(task, PhotoTask):
            del self._failures[task]
            photo = task.photo
            row = _set_aside(photo.source, photo.digest, failure.reason)
            write_json(self._folder.refusal(photo), row)
            self._close_photo(task)
        else:
            raise InvalidInputError(
                f"shard {task.shard} must be made of whole results, got: {reason}. "
                f"Remove {self._folder.done_folder(task.shard)} and start again."
            )

    def _close_photo(self, task: PhotoTask) -> None:
        self._bar.update()
        shard = self._open[task.shard]
        shard.num_left -= 1
        if not shard.num_left:
            self._first.append(ShardTask(shard=task.shard, photos=shard.photos))


@dataclass(kw_only=True)
class _OpenShard:
    photos: tuple[ListedPhoto, ...]
    num_left: int


def _log_row(photo: ListedPhoto, done: PhotoDone) -> dict[str, Any]:
    return {
        "image_id": photo.image_id,
        "digest": photo.digest,
        "num_masks": done.num_masks,
        "num_bytes": done.num_bytes,
        "seconds": round(done.seconds, 4),
        "regions": [region.to_json() for region in done.regions],
    }


def _set_aside(source: str, digest: str | None, reason: str) -> dict[str, Any]:
    return {"source": source, "digest": digest, "reason": reason}


def _finish(folder: RunFolder, work_list: WorkList) -> None:
    """Write the two lists, the manifest last."""
    unreadable = [_set_aside(source, None, reason) for source, reason in work_list.unreadable]
    set_aside = unreadable + [read_json(path) for path in folder.refusals()]
    write_json(folder.set_aside_list, set_aside)
    if len(set_aside) == work_list.num_photos + len(unreadable):
        raise InvalidInputError(
            f"photos must be images that can be read, got {len(set_aside)} of which none can. "
            f"See {folder.set_aside_list}."
        )
    folder.remove_remains()
    write_manifest(folder.release, folder.summaries())


def _summary(folder: RunFolder, work_list: WorkList) -> AutomaticSummary:
    manifest = read_manifest(folder.release)
    return AutomaticSummary(
        release=folder.release,
        num_photos=work_list.num_photos,
        num_duplicates=work_list.num_duplicates,
        num_images=manifest.num_images,
        num_masks=manifest.num_masks,
        set_aside=folder.set_aside_list,
        num_set_aside=len(read_json(folder.set_aside_list)),
    )
