"""An endless, shuffled, resumable stream of the pairs of many archives, in lanes.

A batch's rows are divided into lanes, and each lane walks archives of its own: those of an epoch
are shuffled, and lane l of L takes every L-th. Within a lane a buffer of pairs is shuffled: each
step one of them at random is given out, and the next of the archive takes its place. So the order
is a pure function of (seed, lane, place) whatever the number of processes, each of which opens its
own lanes only; memory is bounded by the buffers; and archives are read from front to back.
"""

import itertools
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from anymask.core.errors import InvalidInputError
from anymask.dataset.archive_file import RETRY_SECONDS
from anymask.dataset.place_random import uniforms, unit_hash
from anymask.dataset.shards import PairCounts, ShardPair, read_pairs

NUM_OTHERS = 7
_SHUFFLE, _OTHERS = 1, 2  # keys of the two sequences of random numbers of a lane


@dataclass(frozen=True, kw_only=True, eq=False)
class StreamDraw:
    """A pair of the stream, and others of the buffer to use where it proves unusable."""

    pair: ShardPair
    others: tuple[ShardPair, ...]


@dataclass(frozen=True, kw_only=True)
class _Unit:
    """An archive, or, where there are fewer than lanes, each `num_parts`-th pair of it."""

    shard: str
    part: int
    num_parts: int

    def size_of(self, num_pairs: int) -> int:
        return len(range(self.part, num_pairs, self.num_parts))

    def numbers_from(self, first: int) -> range:
        """Its numbers in the archive from one of them on, as many as there may ever be."""
        return range(first, sys.maxsize, self.num_parts)

    def number(self, k: int) -> int:
        """The number in the archive of the unit's k-th pair."""
        return self.part + k * self.num_parts


@dataclass(frozen=True, kw_only=True)
class _Place:
    """The k-th pair of the u-th unit that a lane walks, counted over all epochs."""

    u: int
    k: int


@dataclass(frozen=True, kw_only=True, eq=False)
class ShardStream:
    """The archives of a run and how they are walked.

    Attributes:
        shards: paths or URLs.
        num_lanes: L. Fewer archives than lanes are divided among them, and read by several.
        buffer_size: pairs that a lane holds; two or more.
        seed: of the order.
        validation_fraction: of the first archive's images, by a hash of their names; they are left
            out. All of the others is learned from: even a little of many archives is too much to
            look at, and would have to be searched for.
        set_aside: told of what cannot be used, in one line without a full stop.
        counts: how many pairs each archive has, as far as it is known.
        retry_seconds: see `ArchiveFile`.
    """

    shards: tuple[str, ...]
    num_lanes: int
    buffer_size: int
    seed: int
    validation_fraction: float
    set_aside: Callable[[str], None]
    counts: PairCounts = field(default_factory=PairCounts)
    retry_seconds: Sequence[float] = RETRY_SECONDS

    def __post_init__(self) -> None:
        if not self.shards:
            raise InvalidInputError("shards must name an archive or more, got none.")
        if self.num_lanes < 1 or self.buffer_size < 2:
            raise InvalidInputError(
                "num_lanes must be 1 or more and buffer_size 2 or more, got "
                f"{self.num_lanes} and {self.buffer_size}. Raise them."
            )

    def lane(self, lane: int, first: int = 0) -> Generator[StreamDraw]:
        """What the lane gives from place `first` on, for ever.

        To begin later, archives before the place are passed over, by their counts where they are
        known and else by their members' headers, and only what the buffer held is read.

        Raises:
            InvalidInputError: there is no pair in any archive.
            DownloadError: an archive cannot be read after all retries.
        """
        buffer, incoming = self._start(lane, first)
        for place in itertools.count(first):
            slot = self._slots(lane, place)
            pair, buffer[int(slot)] = buffer[int(slot)], next(incoming)
            where = uniforms([self.seed, lane, _OTHERS], NUM_OTHERS * place + np.arange(NUM_OTHERS))
            others = tuple(buffer[int(u * self.buffer_size)] for u in where)
            yield StreamDraw(pair=pair, others=others)

    def held_out(self, limit: int) -> tuple[ShardPair, ...]:
        """The first of the first archive's images that are left out, at most `limit`."""
        pairs = read_pairs(
            self.shards[0],
            set_aside=self.set_aside,
            select=lambda name: self._is_held_out(self.shards[0], name),
            retry_seconds=self.retry_seconds,
        )
        wanted = (pair for pair in pairs if pair is not None)
        return tuple(itertools.islice(wanted, limit))

    def _start(self, lane: int, first: int) -> tuple[list[ShardPair], Iterator[ShardPair]]:
        """The buffer before the lane gives place `first`, and what comes into it then."""
        if first == 0:
            incoming = self._pairs_from(lane, _Place(u=0, k=0))
            return list(itertools.islice(incoming, self.buffer_size)), incoming
        # What came in at place p is in the slot that p gave out; the last one to come counts.
        held = np.arange(self.buffer_size)
        held[self._slots(lane, np.arange(first))] = self.buffer_size + np.arange(first)
        *places, begin = self._locate(lane, [*held.tolist(), self.buffer_size + first])
        return self._read(lane, places), self._pairs_from(lane, begin)

    def _slots(self, lane: int, places: "int | np.ndarray") -> np.ndarray:
        chances = uniforms([self.seed, lane, _SHUFFLE], places)
        return (chances * self.buffer_size).astype(np.int64)

    def _units(self, lane: int, start: int = 0) -> Iterator[tuple[int, _Unit]]:
        """The units that the lane walks, with their index, over all epochs."""
        num_parts = -(-self.num_lanes // len(self.shards))
        units = [
            _Unit(shard=shard, part=part, num_parts=num_parts)
            for shard in self.shards
            for part in range(num_parts)
        ]
        each = len(range(lane, len(units), self.num_lanes))
        for epoch in itertools.count(start // each):
            order = np.random.default_rng([self.seed, epoch]).permutation(len(units))
            for i, index in enumerate(order[lane :: self.num_lanes].tolist()):
                if epoch * each + i >= start:
                    yield epoch * each + i, units[index]

    def _locate(self, lane: int, indices: Sequence[int]) -> list[_Place]:
        """The places of what comes into the lane as its 0th, 1st, 2nd, ..., in the order asked."""
        places: dict[int, _Place] = {}
        left = sorted(set(indices))
        base = 0
        idle = 0
        for u, unit in self._units(lane):
            size = self._size(unit, enough=left[-1] - base + 1)
            here = [i for i in left if i < base + size]
            places |= {i: _Place(u=u, k=i - base) for i in here}
            left = left[len(here) :]
            if not left:
                break
            base += size
            idle = 0 if size else idle + 1
            self._check_not_empty(idle)
        return [places[i] for i in indices]

    def _size(self, unit: _Unit, enough: int) -> int:
        """The unit's number of pairs, or `enough` if there are more."""
        known = self.counts.get(unit.shard, self._fraction_of(unit.shard))
        if known is None:
            pairs = self._walk(unit.shard, lambda _: False)
            known = sum(1 for _ in itertools.islice(pairs, unit.number(enough - 1) + 1))
            pairs.close()
        return min(enough, unit.size_of(known))

    def _read(self, lane: int, places: Sequence[_Place]) -> list[ShardPair]:
        found: dict[_Place, ShardPair] = {}
        by_unit: dict[int, set[int]] = {}
        for place in places:
            by_unit.setdefault(place.u, set()).add(place.k)
        for u, ks in by_unit.items():
            _, unit = next(self._units(lane, u))
            places_by_number = {unit.number(k): _Place(u=u, k=k) for k in ks}
            pairs = self._walk(unit.shard, places_by_number.__contains__)
            for pair in itertools.islice(pairs, max(places_by_number) + 1):
                if pair is not None:
                    found[places_by_number[pair.number]] = pair
            pairs.close()
        return [found[place] for place in places]

    def _pairs_from(self, lane: int, start: _Place) -> Iterator[ShardPair]:
        idle = 0
        for u, unit in self._units(lane, start.u):
            begin = unit.number(start.k if u == start.u else 0)
            known = self.counts.get(unit.shard, self._fraction_of(unit.shard))
            if known is not None and begin >= known:
                idle += 1
                self._check_not_empty(idle)
                continue
            for pair in self._walk(unit.shard, unit.numbers_from(begin).__contains__):
                if pair is not None:
                    idle = 0
                    yield pair
            idle += 1
            self._check_not_empty(idle)

    def _walk(self, shard: str, is_wanted: Callable[[int], bool]) -> Generator[ShardPair | None]:
        """The archive's pairs; at its end their number is known."""
        number = 0
        for pair in read_pairs(
            shard,
            set_aside=self.set_aside,
            is_wanted=is_wanted,
            select=lambda name: not self._is_held_out(shard, name),
            retry_seconds=self.retry_seconds,
        ):
            number += 1
            yield pair
        self.counts.put(shard, self._fraction_of(shard), number)

    def _check_not_empty(self, idle: int) -> None:
        """Looks into all archives when many units in a row had nothing for a lane."""
        if idle and idle % (self.num_lanes * 4) == 0:
            whole = _Unit(shard="", part=0, num_parts=1)
            if not any(self._size(replace(whole, shard=shard), enough=1) for shard in self.shards):
                raise InvalidInputError(
                    f"archives must hold images with their JSON, got none in {self.shards[0]}"
                    f"{f' and {len(self.shards) - 1} more' if len(self.shards) > 1 else ''}. "
                    "Pack sa_N.jpg and sa_N.json side by side in a tar file."
                )

    def _fraction_of(self, shard: str) -> float:
        return self.validation_fraction if shard == self.shards[0] else 0.0

    def _is_held_out(self, shard: str, name: str) -> bool:
        return unit_hash(name) < self._fraction_of(shard)
