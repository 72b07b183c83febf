"""Archives in training: which rows of a batch they fill, and their pairs as examples."""

import threading
from collections.abc import Generator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from anymask.core.errors import AnymaskError, InvalidInputError
from anymask.dataset.place_random import uniforms
from anymask.dataset.sa1b import parse_sa1b
from anymask.dataset.shard_stream import ShardStream, StreamDraw
from anymask.dataset.shards import PairCounts, ShardPair, find_shards
from anymask.model.downloads import cache_folder
from anymask.training.config import TrainConfig
from anymask.training.examples import Example, ExampleSet, read_examples
from anymask.training.progress import say
from anymask.training.share import Share

_MIXTURE = 3  # key of the random numbers that choose rows for archives
_ROWS_BOUND = 1 << 20  # more than any batch has
_MOST_LINES = 20


class SetAside:
    """Tells of what cannot be used, each once, a score of times; then only counts."""

    def __init__(self) -> None:
        self._told: set[str] = set()
        self._lock = threading.Lock()

    def __call__(self, reason: str) -> None:
        """`reason` is one line without a full stop."""
        with self._lock:
            if reason in self._told:
                return
            self._told.add(reason)
            count = len(self._told)
        if count <= _MOST_LINES:
            say(f"set aside: {reason}.")
        if count == _MOST_LINES:
            say("set aside: what else there is is only counted.")

    @property
    def count(self) -> int:
        """How many different reasons there were."""
        return len(self._told)


def read_data(
    sources: Sequence[str | Path], config: TrainConfig, count_folder: Path | None = None
) -> tuple[ExampleSet, tuple[Example, ...]]:
    """What a run learns from, and what it holds out: labelled folders, archives, or both.

    The images held out of archives are read by `held_out_examples`, when they are asked for.

    Args:
        sources: as `find_shards` and `find_sets` take them.
        config: the run.
        count_folder: where the archives' numbers of images are remembered; the cache by default.

    Raises:
        InvalidInputError: as `read_examples` says, or an archive is not there.
        DownloadError: a list of archives cannot be read.
    """
    shards: list[str] = []
    folders: list[str | Path] = []
    for source in sources:
        found = find_shards(source)
        shards += found
        folders += [] if found else [source]
    examples = ExampleSet(examples=(), probabilities=np.zeros(0))
    held_out: tuple[Example, ...] = ()
    if folders or not shards:
        examples, held_out = read_examples(
            folders,
            validation_fraction=config.validation_fraction,
            set_weights=dict(config.set_weights),
            set_size_power=config.set_size_power,
        )
    if not shards:
        return examples, held_out
    stream = ShardStream(
        shards=tuple(shards),
        # Each lane needs a row of every batch.
        num_lanes=min(config.stream.num_lanes, *(stage.batch_size for stage in config.stages)),
        buffer_size=config.stream.buffer_size,
        seed=config.seed,
        validation_fraction=config.validation_fraction,
        set_aside=SetAside(),
        counts=PairCounts(count_folder or cache_folder() / "shards"),
    )
    return replace(examples, stream=stream), held_out


def longest_cached_side(config: TrainConfig) -> int:
    """The side to which photographs in memory are reduced: enough for the views of the run."""
    largest = max(stage.image_size for stage in config.stages)
    return 720 if largest <= 512 else 2 * largest


def held_out_examples(stream: ShardStream, limit: int) -> tuple[Example, ...]:
    """Whole, readable images that the stream leaves out for validation, at most `limit`."""
    examples = []
    for pair in stream.held_out(limit):
        try:
            example = example_of(pair)
            example.read_image()
            if any(mask.area for mask in example.masks):
                examples.append(example)
        except AnymaskError as error:
            stream.set_aside(why_unusable(pair.label, error))
    return tuple(examples)


def why_unusable(label: str, error: AnymaskError) -> str:
    """One line without a full stop, for `SetAside`, that names the image once."""
    return f"{label}: {str(error).removeprefix(f'{label} ').rstrip('.')}"


def example_of(pair: ShardPair) -> Example:
    """A pair as an example, its masks to be decoded on access.

    Raises:
        InvalidInputError: the JSON is damaged or lists no mask.
    """
    record = parse_sa1b(pair.record)
    if not record.masks:
        raise InvalidInputError("must have masks, got none. Leave it out of the archive.")
    return Example(
        path=Path(pair.shard) / pair.name,
        original_size=record.original_size,
        masks=record.masks,
        names=record.names,
        data=pair.image,
        source=pair.label,
    )


def streamed_rows(
    examples: ExampleSet, config: TrainConfig, first_step: int, share: Share
) -> Generator[dict[int, StreamDraw]]:
    """For each step from `first_step` on: what the stream gives this share's rows, by global row.

    Rows without an entry are drawn from the examples in memory. The lanes are read at the same
    time, one step ahead of what was taken.
    """
    stream = examples.stream
    if stream is None:
        for _ in range(first_step, config.num_steps):
            yield {}
        return
    if share.index == 0 and share.count > stream.num_lanes:
        say(
            f"{share.count} parts of a batch share {stream.num_lanes} lanes, each of which several "
            f"read. Set stream.num_lanes={share.count} to read every archive once."
        )
    is_mixed = bool(examples.examples)
    own = {
        row * stream.num_lanes // stage.batch_size
        for stage in config.stages
        for row in share.rows(stage.batch_size)
    }
    firsts = rows_before(config, stream.num_lanes, first_step, is_mixed=is_mixed)
    lanes = {lane: stream.lane(lane, int(firsts[lane])) for lane in sorted(own)}
    with ThreadPoolExecutor(len(lanes)) as pool:

        def submit(step: int) -> list[Future[dict[int, StreamDraw]]]:
            batch_size = config.batch_size_at(step)
            rows = np.flatnonzero(_is_streamed(config, np.array([step]), batch_size, is_mixed)[0])
            by_lane = {
                lane: rows[rows * stream.num_lanes // batch_size == lane].tolist() for lane in lanes
            }
            return [pool.submit(_take, lanes[lane], by_lane[lane]) for lane in lanes]

        ahead = submit(first_step) if first_step < config.num_steps else []
        try:
            for step in range(first_step, config.num_steps):
                draws = {row: draw for future in ahead for row, draw in future.result().items()}
                ahead = submit(step + 1) if step + 1 < config.num_steps else []
                mine = share.rows(config.batch_size_at(step))
                yield {row: draw for row, draw in draws.items() if row in mine}
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
            for lane in lanes.values():
                lane.close()


def rows_before(
    config: TrainConfig, num_lanes: int, first_step: int, *, is_mixed: bool
) -> NDArray[np.int64]:
    """(L,) how many rows each lane has filled in the steps before one."""
    totals = np.zeros(num_lanes, np.int64)
    start = 0
    for stage in config.stages:
        end = min(stage.end_step, first_step)
        lane_of_row = np.arange(stage.batch_size) * num_lanes // stage.batch_size
        for chunk in range(start, end, 4096):
            steps = np.arange(chunk, min(chunk + 4096, end))
            by_row = _is_streamed(config, steps, stage.batch_size, is_mixed).sum(axis=0)
            np.add.at(totals, lane_of_row, by_row)
        start = max(start, end)
    return totals


def _is_streamed(
    config: TrainConfig, steps: NDArray[np.int64], batch_size: int, is_mixed: bool
) -> NDArray[np.bool_]:
    """(steps, rows), whether an archive fills the row."""
    if not is_mixed:
        return np.ones((len(steps), batch_size), bool)
    places = steps[:, None] * _ROWS_BOUND + np.arange(batch_size)
    return uniforms([config.seed, _MIXTURE], places) < config.stream.fraction


def _take(lane: Generator[StreamDraw], rows: Sequence[int]) -> dict[int, StreamDraw]:
    return {row: next(lane) for row in rows}
