"""Images with the full records of their masks, from SA-1B's archives or loose files."""

from collections.abc import Callable, Iterator
from pathlib import Path

from anymask.core.errors import InvalidInputError
from anymask.core.records import ImageRecord, MaskRecord, parse_records
from anymask.dataset.sa1b import pairs_of_folder
from anymask.dataset.shards import ShardPair, find_shards, read_pairs

RecordedImage = tuple[ShardPair, ImageRecord, tuple[MaskRecord, ...]]


def dataset_parts(source: str | Path) -> tuple[str, ...]:
    """Return the parts of a data set that can be read at once: its archives, or its one folder.

    Args:
        source: what `find_shards` takes, or a folder of `sa_N.jpg` with `sa_N.json`.

    Raises:
        InvalidInputError: neither is there.
    """
    parts = find_shards(source)
    if not parts and Path(source).is_dir() and any(True for _ in pairs_of_folder(Path(source))):
        parts = (str(source),)
    if not parts:
        raise InvalidInputError(
            f"data set must be archives (sa_000000.tar, ...) or images with SA-1B's JSON beside "
            f"them, got {source}. Check the path."
        )
    return parts


def iter_dataset(
    source: str | Path, *, set_aside: Callable[[str], None] | None = None
) -> Iterator[RecordedImage]:
    """Yield every image of a data set: its files' bytes, its record and those of its masks.

    SA-1B itself is read: gzip archives named .tar, boxes one pixel short, whole numbers or floats.

    Args:
        source: as for `dataset_parts`, or one of its parts.
        set_aside: told, in one line, of what cannot be used; without it that is an error.

    Raises:
        InvalidInputError: no data set is there, or something in it is damaged.
        DownloadError: an archive cannot be read after all retries.
    """
    tell = _refuse if set_aside is None else set_aside
    for part in dataset_parts(source):
        pairs = (
            _loose_pairs(Path(part)) if Path(part).is_dir() else read_pairs(part, set_aside=tell)
        )
        for pair in pairs:
            assert pair is not None  # as all are wanted
            try:
                image, masks = parse_records(pair.record, pair.label)
            except InvalidInputError as error:
                tell(str(error).rstrip("."))
                continue
            yield pair, image, tuple(masks)


def _loose_pairs(folder: Path) -> Iterator[ShardPair]:
    pairs = sorted((image, file) for file, image in pairs_of_folder(folder))
    for number, (image, file) in enumerate(pairs):
        yield ShardPair(
            shard=str(folder),
            number=number,
            name=image.name,
            image=image.read_bytes(),
            record=file.read_bytes(),
        )


def _refuse(text: str) -> None:
    raise InvalidInputError(f"{text}. See `anymask dataset validate`.")
