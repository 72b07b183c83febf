"""The statistics of a data set on disk, counted by all cores."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from operator import add
from pathlib import Path

from anymask.core.processes import map_in_processes
from anymask.dataset.described import DatasetPart, find_parts
from anymask.dataset.statistics import DatasetStatistics, count_images


@dataclass(frozen=True, kw_only=True)
class CountedDataset:
    """A data set's statistics, and a line for each image or archive that could not be counted."""

    statistics: DatasetStatistics
    problems: tuple[str, ...] = ()

    def __add__(self, other: "CountedDataset") -> "CountedDataset":
        """Both together."""
        return CountedDataset(
            statistics=self.statistics + other.statistics,
            problems=self.problems + other.problems,
        )


def count_dataset(
    source: str | Path,
    *,
    num_processes: int | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> CountedDataset:
    """Return what a data set's images and masks are like.

    Args:
        source: as for `find_parts`.
        num_processes: that count (default: one a core).
        on_progress: gets how many parts of how many are counted.

    Raises:
        InvalidInputError: no data set is there.
        DownloadError: an archive cannot be read after all retries.
        ProcessError: a process was killed.
    """
    parts = find_parts(source)
    on_progress(0, len(parts))

    def told(done: int, counted: CountedDataset) -> CountedDataset:
        on_progress(done, len(parts))
        return counted

    counts = map_in_processes(count_part, parts, num_processes)
    nothing = CountedDataset(statistics=DatasetStatistics.empty())
    return reduce(add, (told(i, one) for i, one in enumerate(counts, 1)), nothing)


def count_part(part: DatasetPart) -> CountedDataset:
    """Return the statistics of one part of a data set."""
    problems: list[str] = []
    statistics = count_images(part.read(problems.append))
    return CountedDataset(statistics=statistics, problems=tuple(problems))
