"""What driver and workers say to each other: small values, never pixels or masks."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anymask.core.errors import AnymaskError, OutputError
from anymask.dataset.privacy.regions import Region, RegionDetector
from anymask.dataset.shard_writing import ShardSummary
from anymask.engine.automatic.config import AutomaticConfig
from anymask.engine.automatic.run_folder import RunFolder
from anymask.engine.automatic.work_list import ListedPhoto

if TYPE_CHECKING:
    from anymask.engine.automatic.work import Worker

MakeDetectors = Callable[[], tuple[RegionDetector, ...]]


@dataclass(frozen=True, kw_only=True)
class PhotoTask:
    """Find the masks of a photo, and leave the result under its hash."""

    shard: int
    photo: ListedPhoto


@dataclass(frozen=True, kw_only=True)
class ShardTask:
    """Make one archive of the results of these photos, those set aside left out."""

    shard: int
    photos: tuple[ListedPhoto, ...]


Task = PhotoTask | ShardTask


@dataclass(frozen=True, kw_only=True)
class PhotoDone:
    """A photo's result is there.

    Attributes:
        num_masks: that are released.
        num_bytes: of the result.
        seconds: from reading the file to the written result.
        regions: what was concealed, in pixels of the photo.
    """

    num_masks: int
    num_bytes: int
    seconds: float
    regions: tuple[Region, ...]


@dataclass(frozen=True, kw_only=True)
class ShardDone:
    """The archive is there; None where no photo of it could be used."""

    summary: ShardSummary | None


@dataclass(frozen=True, kw_only=True)
class Failure:
    """A try failed; `stops_run` where the fault lies outside of the photo."""

    reason: str
    stops_run: bool = False


Result = PhotoDone | ShardDone | Failure


@dataclass(frozen=True, kw_only=True)
class Ready:
    """A worker has loaded its model; `identity` is the same of all whose results are."""

    identity: str


@dataclass(frozen=True, kw_only=True)
class Unusable:
    """A worker cannot begin, and no other could (no such model, no such device)."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class Gone:
    """A worker's process ended."""

    reason: str


Report = Ready | Unusable | Gone | Result


@dataclass(frozen=True, kw_only=True)
class WorkSetup:
    """What makes a worker, wherever it is.

    Attributes:
        config: of the run.
        folder: of the run, under a name that is the same everywhere.
        make_detectors: of what is to be concealed; a function that can be pickled.
    """

    config: AutomaticConfig
    folder: RunFolder
    make_detectors: MakeDetectors

    def start(self) -> "Worker":
        """Return a worker with its model loaded; AnymaskError says why there can be none."""
        # Here, so that the driver needs no torch and stays small.
        from anymask.engine.automatic.work import Worker

        return Worker(self)


def attempt(worker: "Worker", task: Task) -> Result:
    """Return what became of the task; no photo may end a worker with an exception."""
    try:
        return worker.do(task)
    except OutputError as error:
        return Failure(reason=str(error), stops_run=True)
    except AnymaskError as error:
        return Failure(reason=str(error))
    except Exception as error:
        text = " ".join(str(error).split())
        return Failure(reason=f"{type(error).__name__}: {text}" if text else type(error).__name__)
