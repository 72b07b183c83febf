"""What a large run will cost, from the log of a small one."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from anymask.core.errors import InvalidInputError

SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True, kw_only=True)
class CostEstimate:
    """A run's cost, if its photos are like those measured and workers do not hinder each other.

    Attributes:
        num_images: of the run.
        num_measured: photos in the log.
        seconds_per_image: of one worker, the mean.
        masks_per_image: the mean.
        bytes_per_image: of the release, the mean.
    """

    num_images: int
    num_measured: int
    seconds_per_image: float
    masks_per_image: float
    bytes_per_image: float

    @property
    def worker_hours(self) -> float:
        """Images times seconds of each."""
        return self.num_images * self.seconds_per_image / SECONDS_PER_HOUR

    @property
    def num_bytes(self) -> float:
        """Of the release."""
        return self.num_images * self.bytes_per_image

    @property
    def num_masks(self) -> float:
        """Of the release."""
        return self.num_images * self.masks_per_image

    def hours(self, num_workers: int) -> float:
        """Return the time that so many workers take."""
        return self.worker_hours / num_workers


def estimate_cost(log: Iterable[Mapping[str, Any]], num_images: int) -> CostEstimate:
    """Return what `num_images` cost by the rows of a run's log (`RunFolder.read_log`).

    Raises:
        InvalidInputError: the log has no photo, or there are no images to make.
    """
    if num_images < 1:
        raise InvalidInputError(f"num_images must be at least 1, got {num_images}. Name a number.")
    count, seconds, masks, num_bytes = 0, 0.0, 0, 0
    for row in log:
        count += 1
        seconds += row["seconds"]
        masks += row["num_masks"]
        num_bytes += row["num_bytes"]
    if not count:
        raise InvalidInputError(
            "a run must have done photos before it tells of more, got an empty log. "
            "Run a few hundred first."
        )
    return CostEstimate(
        num_images=num_images,
        num_measured=count,
        seconds_per_image=seconds / count,
        masks_per_image=masks / count,
        bytes_per_image=num_bytes / count,
    )
