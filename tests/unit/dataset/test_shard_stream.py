"""The stream is a pure function of its place, bounded in memory, and passes over damage."""

import itertools
import weakref
from collections import Counter
from pathlib import Path
from typing import Any

import fsspec
import pytest

from anymask.core.errors import DownloadError, InvalidInputError
from anymask.dataset.shard_stream import ShardStream
from anymask.dataset.shards import PairCounts, ShardPair
from sa1b_archives import pack, pair_files, write_shards

SMALL = (8, 8)


def make_stream(shards: list[str], **changes: Any) -> ShardStream:
    settings: dict[str, Any] = {
        "num_lanes": 2,
        "buffer_size": 4,
        "seed": 3,
        "validation_fraction": 0.0,
        "set_aside": lambda _: None,
        "retry_seconds": (),
    }
    return ShardStream(shards=tuple(shards), **{**settings, **changes})


def labels(stream: ShardStream, lane: int, count: int, first: int = 0) -> list[str]:
    return [draw.pair.label for draw in itertools.islice(stream.lane(lane, first), count)]


def both(stream: ShardStream, lane: int, count: int, first: int = 0) -> list[tuple[str, ...]]:
    """The labels of the pairs and of the others."""
    return [
        (draw.pair.label, *(other.label for other in draw.others))
        for draw in itertools.islice(stream.lane(lane, first), count)
    ]


@pytest.mark.parametrize("is_gzip", [False, True])
@pytest.mark.parametrize("first", [1, 3, 17, 60])
def test_a_lane_begins_anywhere_as_if_it_had_come_there(
    tmp_path: Path, first: int, is_gzip: bool
) -> None:
    shards = write_shards(tmp_path, [5, 9, 1, 4], is_gzip=is_gzip, size=SMALL)
    for lane in (0, 1):
        whole = both(make_stream(shards), lane, first + 12)
        assert both(make_stream(shards), lane, 12, first) == whole[first:]


def test_known_counts_change_nothing_but_what_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shards = write_shards(tmp_path / "shards", [5, 9, 4], size=SMALL)
    whole = both(make_stream(shards, counts=PairCounts(tmp_path / "counts")), 1, 60)
    opened: list[str] = []
    import anymask.dataset.shards as module

    open_archive = module.open_archive

    def spy(url: str, **arguments: Any) -> Any:
        opened.append(url)
        return open_archive(url, **arguments)

    monkeypatch.setattr(module, "open_archive", spy)
    stream = make_stream(shards, counts=PairCounts(tmp_path / "counts"))
    assert both(stream, 1, 1, 55) == whole[55:56]
    assert len(opened) <= 4  # what the buffer held and what comes next, not 55 pairs' archives


def test_lanes_share_the_archives_of_an_epoch(tmp_path: Path) -> None:
    shards = write_shards(tmp_path, [3] * 6, size=SMALL)
    stream = make_stream(shards, num_lanes=3, buffer_size=2)
    # of a lane's first 6 + 2 incoming, two archives, the buffer keeps the 2 not yet given
    seen = Counter(label for lane in range(3) for label in labels(stream, lane, 4))
    assert max(seen.values()) == 1
    assert len({label.partition(":")[0] for label in seen}) == 6
    orders = [labels(stream, lane, 12) for lane in range(3)]
    assert len({tuple(order) for order in orders}) == 3
    assert labels(make_stream(shards, num_lanes=3, buffer_size=2, seed=4), 0, 12) != orders[0]


def test_every_image_is_given_once_an_epoch_less_what_the_buffer_holds(tmp_path: Path) -> None:
    shards = write_shards(tmp_path, [4, 3], size=SMALL)
    stream = make_stream(shards, num_lanes=1, buffer_size=7)
    given = Counter(labels(stream, 0, 7 * 5))  # of 6 epochs that came in
    assert len(given) == 7
    assert max(given.values()) <= 6
    order = labels(stream, 0, 35)
    assert order[:7] != sorted(order[:7])


def test_fewer_archives_than_lanes_are_divided(tmp_path: Path) -> None:
    (shard,) = write_shards(tmp_path, [12], size=SMALL)
    stream = make_stream([shard], num_lanes=4, buffer_size=3)
    by_lane = [set(labels(stream, lane, 3)) for lane in range(4)]  # all that is its in one epoch
    assert all(len(part) <= 3 for part in by_lane)
    everything = {label for lane in range(4) for label in labels(stream, lane, 200)}
    assert len(everything) == 12
    assert both(stream, 2, 5, 40) == both(stream, 2, 45)[40:]


def test_held_out_images_are_never_given(tmp_path: Path) -> None:
    shards = write_shards(tmp_path, [12, 6], size=SMALL)
    stream = make_stream(shards, validation_fraction=0.4)
    held_out = {pair.name for pair in stream.held_out(100)}
    assert 0 < len(held_out) < 12
    assert {pair.shard for pair in stream.held_out(100)} == {shards[0]}
    assert len(stream.held_out(1)) == 1
    given = {label.rpartition(":")[2] for lane in (0, 1) for label in labels(stream, lane, 100)}
    assert not given & held_out
    assert len(given) == 18 - len(held_out)  # of the second archive none is held out
    assert both(stream, 1, 6, 30) == both(stream, 1, 36)[30:]


def test_memory_is_bounded_by_the_buffers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (shard,) = write_shards(tmp_path, [120], size=SMALL, is_gzip=True)
    stream = make_stream([shard], num_lanes=1, buffer_size=10)
    alive: weakref.WeakSet[ShardPair] = weakref.WeakSet()

    def counted(**fields: Any) -> ShardPair:
        pair = ShardPair(**fields)
        alive.add(pair)
        return pair

    monkeypatch.setattr("anymask.dataset.shards.ShardPair", counted)
    most = 0
    for _ in itertools.islice(stream.lane(0), 100):
        most = max(most, len(alive))
    assert 10 <= most <= 12  # the buffer, what was given, and what came in


def _damaged_pairs(folder: Path) -> list[str]:
    files = [file for i in range(6) for file in pair_files(i, SMALL)]
    del files[5]  # sa_2.json
    (folder / "a.tar").write_bytes(pack(files))
    raw = pack([file for i in range(6, 12) for file in pair_files(i, SMALL)])
    (folder / "b.tar").write_bytes(raw[: len(raw) // 2])
    return [str(folder / name) for name in ("a.tar", "b.tar")]


def test_damage_is_set_aside_and_the_order_stays_a_function_of_the_place(tmp_path: Path) -> None:
    shards = _damaged_pairs(tmp_path)
    lines: list[str] = []
    whole = both(make_stream(shards, set_aside=lines.append), 0, 40)
    assert any("a.tar: sa_2.jpg has no JSON" in line for line in lines)
    assert any("b.tar is damaged or cut off" in line for line in lines)
    assert both(make_stream(shards), 0, 15, 25) == whole[25:]


def test_archives_without_a_pair_are_told_in_one_line(tmp_path: Path) -> None:
    for name in ("a.tar", "b.tar"):
        (tmp_path / name).write_bytes(pack([("readme.txt", b"x")]))
    shards = [str(tmp_path / name) for name in ("a.tar", "b.tar")]
    for first in (0, 5):
        with pytest.raises(InvalidInputError, match=r"got none in .*a\.tar and 1 more") as caught:
            next(make_stream(shards).lane(0, first))
        assert "\n" not in str(caught.value)


def test_an_archive_that_vanishes_is_told_after_the_retries(tmp_path: Path) -> None:
    shards = write_shards(tmp_path, [5, 5], size=SMALL)
    stream = make_stream(shards, num_lanes=1, buffer_size=2, retry_seconds=(0, 0))
    lane = stream.lane(0)
    first = next(lane).pair.shard
    (other,) = set(shards) - {first}
    Path(other).unlink()
    with pytest.raises(DownloadError, match=r"could not be read, 3 times: .*No such file"):
        list(itertools.islice(lane, 20))


def test_urls_stream_like_files(tmp_path: Path) -> None:
    paths = write_shards(tmp_path, [5, 4], size=SMALL)
    urls = [f"memory://stream/{Path(path).name}" for path in paths]
    for path, url in zip(paths, urls, strict=True):
        with fsspec.open(url, "wb") as file:
            file.write(Path(path).read_bytes())
    try:
        here = [Path(label).name for label in labels(make_stream(paths), 0, 30)]
        for first in (0, 20):
            there = labels(make_stream(urls), 0, 30 - first, first)
            assert [label.rpartition("/")[2] for label in there] == here[first:]
    finally:
        fsspec.filesystem("memory").store.clear()


def test_settings_out_of_range_are_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="got none"):
        make_stream([])
    with pytest.raises(InvalidInputError, match="buffer_size 2 or more, got 2 and 1"):
        make_stream(["a.tar"], buffer_size=1)
