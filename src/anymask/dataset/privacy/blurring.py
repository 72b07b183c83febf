"""A whole data set with its faces and plates concealed: photographs one by one, archives too.

Every picture is decoded and written anew, also where nothing was found, so that no metadata (nor
the small preview in it, which shows the face) goes out.
"""

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TypeVar

from anymask.core.errors import AnymaskError, InvalidInputError
from anymask.core.files import write_bytes
from anymask.core.image_io import read_image
from anymask.core.records import ImageRecord, parse_records, read_records, write_records
from anymask.dataset.manifest import write_manifest
from anymask.dataset.photo_folder import Photo, find_photos
from anymask.dataset.privacy.concealing import conceal
from anymask.dataset.privacy.detectors import DetectorChoice
from anymask.dataset.privacy.journal import BlurredImage, Journal
from anymask.dataset.privacy.regions import Region, RegionDetector, find_regions
from anymask.dataset.release import ReleasedImage, encode_release
from anymask.dataset.shard_writing import write_shard
from anymask.dataset.shards import find_shards, read_pairs

_Key = TypeVar("_Key")

_AHEAD = 4  # pictures a process has waiting, so that memory stays bounded


@dataclass(frozen=True, kw_only=True)
class _Concealed:
    jpeg: bytes
    original_size: tuple[int, int]
    regions: tuple[Region, ...]


def blur_dataset(
    source: str | Path,
    output: Path,
    choice: DetectorChoice,
    *,
    num_workers: int = 1,
    progress: Callable[[BlurredImage], None] = lambda _: None,
) -> tuple[BlurredImage, ...]:
    """Write a copy of the data set with its faces and plates concealed; return what is in it.

    What an earlier run of the same settings finished is kept: single photographs of a folder,
    whole archives of a set of archives. Masks stay as they are; photographs become JPEGs.

    Args:
        source: archives, as `find_shards` takes them, or a folder of photographs, which may have
            SA-1B's JSON files beside them.
        output: an existing folder for the copy; the journal goes into `report` in it.
        choice: the detectors.
        num_workers: processes that look at pictures, each on one core.
        progress: told of each picture that is done or was set aside.

    Raises:
        InvalidInputError: nothing to be read, two photographs would share a name, or the folder
            was begun with other settings.
        OutputError: a file cannot be written.
    """
    journal = Journal(output, choice.to_json())
    shards = find_shards(source)
    with _Pool(choice, num_workers) as pool:
        if shards:
            done = _blur_shards(shards, output, journal, pool)
        else:
            done = _blur_photos(Path(source), output, journal, pool)
        for image in done:
            progress(image)
    if shards:
        write_manifest(output)
    return journal.read()


def _blur_photos(
    folder: Path, output: Path, journal: Journal, pool: "_Pool"
) -> Iterator[BlurredImage]:
    finished = {image.name for image in journal.read() if (output / image.released_name).is_file()}
    todo = [photo for photo in _of_different_names(folder) if photo.name not in finished]
    work = ((photo, photo.path) for photo in todo)
    for photo, answer in pool.conceal(work):
        image = BlurredImage(name=photo.name)
        target = output / image.released_name
        try:
            found = _readable(answer)
            target.parent.mkdir(parents=True, exist_ok=True)
            _copy_masks(photo.path, target, found.original_size)
        except InvalidInputError as error:
            image = replace(image, problem=str(error).replace(str(photo.path), photo.name))
        else:
            write_bytes(target, found.jpeg)
            image = replace(image, original_size=found.original_size, regions=found.regions)
        journal.add([image])
        yield image


def _blur_shards(
    shards: Iterable[str], output: Path, journal: Journal, pool: "_Pool"
) -> Iterator[BlurredImage]:
    finished = {image.shard for image in journal.read()}
    for shard in shards:
        target = output / PurePosixPath(shard).name
        if target.name in finished and target.is_file():
            continue
        images: list[BlurredImage] = []
        write_shard(target, _released(shard, images, pool))
        journal.add(images)
        yield from images


def _released(shard: str, images: list[BlurredImage], pool: "_Pool") -> Iterator[ReleasedImage]:
    """The archive's pictures as they go into the new one; `images` tells of all of them."""
    name = PurePosixPath(shard).name

    def set_aside(problem: str) -> None:
        images.append(BlurredImage(name=shard, shard=name, problem=problem))

    pairs = (pair for pair in read_pairs(shard, set_aside=set_aside) if pair is not None)
    for pair, answer in pool.conceal((pair, pair.image) for pair in pairs):
        image = BlurredImage(name=pair.name, shard=name)
        try:
            found = _readable(answer)
            record, masks = parse_records(pair.record, pair.label)
            _check_size(record, found.original_size)
        except InvalidInputError as error:
            images.append(replace(image, problem=str(error)))
            continue
        images.append(replace(image, original_size=found.original_size, regions=found.regions))
        yield ReleasedImage(
            image_id=record.image_id,
            jpeg=found.jpeg,
            original_size=found.original_size,
            masks=tuple(masks),
        )


def _readable(answer: "_Concealed | str") -> "_Concealed":
    if isinstance(answer, str):
        raise InvalidInputError(answer)
    return answer


def _check_size(record: ImageRecord, original_size: tuple[int, int]) -> None:
    if original_size != (record.height, record.width):
        raise InvalidInputError(
            f"image must have its record's size (H, W) {(record.height, record.width)}, got "
            f"{original_size}. Write it again."
        )


def _of_different_names(folder: Path) -> tuple[Photo, ...]:
    photos = find_photos([folder])
    taken: dict[str, Photo] = {}
    for photo in photos:
        other = taken.setdefault(BlurredImage(name=photo.name).released_name.lower(), photo)
        if other is not photo:
            raise InvalidInputError(
                f"photos must differ in more than their type, got {other.name} and {photo.name}. "
                "Rename one."
            )
    return photos


def _copy_masks(photo: Path, target: Path, original_size: tuple[int, int]) -> None:
    """Write the record beside the photograph, if there is one, beside its copy.

    Other tools' JSON is refused, not copied: some of it holds the photograph.
    """
    masks_file = photo.with_suffix(".json")
    if masks_file.is_file():
        record, masks = read_records(masks_file)
        _check_size(record, original_size)
        write_records(target.with_suffix(".json"), replace(record, file_name=target.name), masks)


class _Pool:
    """Looks at pictures in other processes, or in this one if it is alone."""

    def __init__(self, choice: DetectorChoice, num_workers: int) -> None:
        self._num_waiting = num_workers * _AHEAD
        self._executor: ProcessPoolExecutor | None = None
        self._conceal = partial(_conceal, choice.load()) if num_workers == 1 else None
        if num_workers > 1:
            choice.load()  # a mistake in a file is told here, not by a process that died of it
            self._executor = ProcessPoolExecutor(
                num_workers,
                mp_context=multiprocessing.get_context("spawn"),
                initializer=_load_detectors,
                initargs=(choice,),
            )

    def __enter__(self) -> "_Pool":
        return self

    def __exit__(self, *_: object) -> None:
        if self._executor is not None:
            self._executor.shutdown(cancel_futures=True)

    def conceal(
        self, work: Iterable[tuple[_Key, Path | bytes]]
    ) -> Iterator[tuple[_Key, "_Concealed | str"]]:
        """Yield each key with its picture concealed, or why it cannot be read; in order."""
        if self._executor is None:
            assert self._conceal is not None
            for key, picture in work:
                yield key, self._conceal(picture)
            return
        waiting: deque[tuple[_Key, Future[_Concealed | str]]] = deque()
        for key, picture in work:
            waiting.append((key, self._executor.submit(_conceal_here, picture)))
            if len(waiting) >= self._num_waiting:
                first, future = waiting.popleft()
                yield first, future.result()
        for key, future in waiting:
            yield key, future.result()


_detectors: tuple[RegionDetector, ...] = ()  # of a process of the pool


def _load_detectors(choice: DetectorChoice) -> None:
    global _detectors
    _detectors = choice.load()


def _conceal_here(picture: Path | bytes) -> "_Concealed | str":
    return _conceal(_detectors, picture)


def _conceal(detectors: tuple[RegionDetector, ...], picture: Path | bytes) -> "_Concealed | str":
    try:
        image = read_image(picture)
    except AnymaskError as error:
        return str(error)
    regions = find_regions(detectors, image)
    jpeg = encode_release(conceal(image, regions))
    return _Concealed(jpeg=jpeg, original_size=(image.shape[0], image.shape[1]), regions=regions)
