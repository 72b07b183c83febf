"""Workers as actors of a Ray cluster; the same workers, and the same results.

Photos and output must be reachable under the same names from all nodes (a shared file system, or
URLs for the photos). Nothing large goes through Ray: tasks and reports are a few lines each.
"""

import logging
import os
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from anymask.core.errors import AnymaskError, InvalidInputError, MissingExtraError
from anymask.engine.automatic.tasks import Gone, Ready, Report, Task, Unusable, WorkSetup, attempt

# Read by Ray when it is imported: no usage figures are sent, and GPUs are left to the device.
_SETTINGS = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
for _name, _value in _SETTINGS.items():
    os.environ.setdefault(_name, _value)

try:
    import ray
    from ray.exceptions import RayError
except ImportError:
    raise MissingExtraError("ray", "ray") from None

if TYPE_CHECKING:
    from anymask.engine.automatic.work import Worker


class _Actor:
    """A worker on some node; Ray makes an actor of it."""

    def __init__(self, setup: WorkSetup) -> None:
        self._setup = setup
        self._worker: Worker | None = None

    def begin(self) -> Report:
        try:
            self._worker = self._setup.start()
        except AnymaskError as error:
            return Unusable(reason=str(error))
        return Ready(identity=self._worker.identity)

    def do(self, task: Task) -> Report:
        assert self._worker is not None  # an actor's calls run in order
        return attempt(self._worker, task)


class RayMember:
    """An actor and the reports that it owes, first first."""

    def __init__(self, actor: Any) -> None:
        self._actor = actor
        self.owed = [actor.begin.remote()]

    def send(self, task: Task) -> None:
        """Give it a task."""
        self.owed.append(self._actor.do.remote(task))

    def read(self) -> Report:
        """Return what it has said, or that it is gone."""
        try:
            report: Report = ray.get(self.owed.pop(0))
        except RayError:  # its text is a page about Ray
            return Gone(reason="the worker's process or node ended (out of memory?)")
        return report

    def stop(self) -> None:
        """End the actor at once."""
        ray.kill(self._actor)


class RayExecutor:
    """Actors of a cluster; as a context it is connected to it.

    Args:
        address: of the cluster ("auto", "ray://host:10001", "host:6379"); None starts one on this
            machine.
        num_workers: actors; by default one for each GPU if `uses_gpus`, else for each core.
        uses_gpus: give each actor a GPU of its own.

    Raises:
        InvalidInputError: there is no cluster at the address, or it has no room for so many.
    """

    def __init__(
        self, address: str | None = None, num_workers: int | None = None, *, uses_gpus: bool = False
    ) -> None:
        try:
            ray.init(
                address=address,
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.WARNING,
            )
        except (ConnectionError, RuntimeError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise InvalidInputError(
                f"address must be that of a Ray cluster, got {address}: {reason} "
                "Start one with `ray start --head`, or leave it out."
            ) from None
        kind = "GPU" if uses_gpus else "CPU"
        resources = ray.cluster_resources()  # type: ignore[no-untyped-call]
        most = int(resources.get(kind, 0))
        self.num_workers = most if num_workers is None else num_workers
        if not 1 <= self.num_workers <= most:  # an actor without room would wait for ever
            ray.shutdown()
            raise InvalidInputError(
                f"num_workers must be between 1 and the cluster's {most} {kind}s, got "
                f"{self.num_workers}. Leave it out for all."
            )
        self._actor_class = ray.remote(
            num_cpus=1, num_gpus=int(uses_gpus), max_restarts=0, scheduling_strategy="SPREAD"
        )(_Actor)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        ray.shutdown()

    def hire(self, setup: WorkSetup) -> RayMember:
        """Ask the cluster for an actor; it may come to be only when there is room."""
        return RayMember(self._actor_class.remote(setup))

    def first_report(
        self, members: Sequence[RayMember], timeout_seconds: float | None
    ) -> tuple[RayMember, Report] | None:
        """Wait for a report."""
        ready, _ = ray.wait([member.owed[0] for member in members], timeout=timeout_seconds)
        if not ready:
            return None
        member = next(member for member in members if member.owed[0] == ready[0])
        return member, member.read()
