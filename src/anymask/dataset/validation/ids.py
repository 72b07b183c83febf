"""Numbers that must differ over a whole data set, compared without holding all in memory."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_NUM_BUCKETS = 64
_MIX = np.uint64(0x9E3779B97F4A7C15)  # spreads neighbouring numbers over the buckets
_ROW = np.dtype([("id", "<i8"), ("shard", "<i4")])


class IdLedger:
    """Numbers on disk with the shard each is from, in buckets that fit into memory one by one.

    SA-1B's 1.1 billion masks take 13 GB there and 0.4 GB of memory.

    Args:
        folder: an empty one.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def add(self, ids: NDArray[np.int64], shard: int) -> None:
        """Write down the numbers (N,) of a shard."""
        rows = np.empty(len(ids), dtype=_ROW)
        rows["id"], rows["shard"] = ids, shard
        with np.errstate(over="ignore"):  # arithmetic modulo 2^64
            buckets = (ids.astype(np.uint64) * _MIX) >> np.uint64(58)
        for bucket in np.unique(buckets).tolist():
            with self._path(bucket).open("ab") as stream:
                stream.write(rows[buckets == bucket].tobytes())

    def duplicates(self) -> Iterator[tuple[int, int, int]]:
        """Yield each number that comes again, with the shard before and the one it comes in."""
        for bucket in range(_NUM_BUCKETS):
            if not self._path(bucket).exists():
                continue
            rows = np.fromfile(self._path(bucket), dtype=_ROW)
            rows.sort(order=("id", "shard"))
            for i in np.flatnonzero(rows["id"][1:] == rows["id"][:-1]).tolist():
                yield int(rows["id"][i]), int(rows["shard"][i]), int(rows["shard"][i + 1])

    def _path(self, bucket: int) -> Path:
        return self._folder / f"{bucket:02d}.bin"
