"""Workers that each do one task at a time: who is late, who is gone, and who takes the place.

One task a worker is all the back-pressure that is needed: a photo takes long beside the telling,
and when a worker dies it is known which photo it was at.
"""

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar

from anymask.core.errors import InvalidInputError
from anymask.engine.automatic.tasks import (
    Failure,
    Gone,
    PhotoTask,
    Ready,
    Report,
    Result,
    Task,
    Unusable,
    WorkSetup,
)

_MAX_FALSE_STARTS = 3


class Member(Protocol):
    """A worker somewhere else."""

    def send(self, task: Task) -> None:
        """Give it a task; if it is gone, its report will say so."""

    def stop(self) -> None:
        """End it at once, whatever it is doing."""


M = TypeVar("M", bound=Member)


class Executor(Protocol[M]):
    """Where workers are. The first report of a worker is `Ready` or `Unusable`."""

    @property
    def num_workers(self) -> int:
        """How many there shall be at a time."""

    def hire(self, setup: WorkSetup) -> M:
        """Return a worker that has begun to load its model."""

    def first_report(
        self, members: Sequence[M], timeout_seconds: float | None
    ) -> tuple[M, Report] | None:
        """Wait for a report of one of the workers; None when there was none in time."""


@dataclass(kw_only=True)
class _Post(Generic[M]):
    member: M
    is_ready: bool = False
    task: Task | None = None
    deadline: float = float("inf")


class Crew(Generic[M]):
    """The workers of a run; as a context it ends them, busy or not.

    A task is given to a worker that has loaded its model, and waits here until then: a cluster may
    have less room than it had.

    Args:
        executor: where they are.
        setup: what makes them.
        photo_seconds: a worker that takes longer for a photo is replaced.
    """

    def __init__(self, executor: Executor[M], setup: WorkSetup, photo_seconds: float) -> None:
        self._executor = executor
        self._setup = setup
        self._photo_seconds = photo_seconds
        self._posts: list[_Post[M]] = []
        self._waiting: deque[Task] = deque()
        self._num_false_starts = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for post in self._posts:
            post.member.stop()

    @property
    def num_tasks(self) -> int:
        """Tasks that are not over."""
        return len(self._waiting) + sum(post.task is not None for post in self._posts)

    @property
    def has_room(self) -> bool:
        """Whether there is a worker, or place for one, for a further task."""
        return self.num_tasks < self._executor.num_workers

    def submit(self, task: Task) -> None:
        """Take a task; there must be room."""
        self._waiting.append(task)
        self._share_out()

    def wait(self) -> tuple[Task, Result]:
        """Return the next task that is over, with what became of it; there must be one.

        Raises:
            InvalidInputError: workers cannot begin, or would not make the same of a photo.
        """
        while True:
            found = self._first_report()
            if found is None:
                late = next((p for p in self._posts if p.deadline <= time.monotonic()), None)
                if late is not None:
                    return self._lose(late, f"it took longer than {self._photo_seconds:g} seconds")
                continue
            post, report = found
            if isinstance(report, Unusable):
                raise InvalidInputError(report.reason)
            if isinstance(report, Ready):
                self._begin(post, report)
            elif isinstance(report, Gone) and not post.is_ready:
                self._begin_again(post, report)
            elif isinstance(report, Gone):
                return self._lose(post, report.reason)
            else:
                return self._free(post), report

    def _share_out(self) -> None:
        """Give the tasks that wait to workers that do not, and hire where more are needed."""
        for post in self._posts:
            if self._waiting and post.is_ready and post.task is None:
                post.task = self._waiting.popleft()
                if isinstance(post.task, PhotoTask):
                    post.deadline = time.monotonic() + self._photo_seconds
                post.member.send(post.task)
        num_loading = sum(not post.is_ready for post in self._posts)
        num_open = self._executor.num_workers - len(self._posts)
        for _ in range(min(len(self._waiting) - num_loading, num_open)):
            self._posts.append(_Post(member=self._executor.hire(self._setup)))

    def _first_report(self) -> tuple[_Post[M], Report] | None:
        talking = [post for post in self._posts if post.task is not None or not post.is_ready]
        deadline = min(post.deadline for post in talking)
        timeout = None if deadline == float("inf") else max(0.0, deadline - time.monotonic())
        found = self._executor.first_report([post.member for post in talking], timeout)
        if found is None:
            return None
        return next(post for post in talking if post.member is found[0]), found[1]

    def _begin(self, post: _Post[M], report: Ready) -> None:
        self._setup.folder.agree("worker", {"worker": report.identity})
        self._num_false_starts = 0
        post.is_ready = True
        self._share_out()

    def _begin_again(self, post: _Post[M], report: Gone) -> None:
        """A worker that dies while it loads is no photo's fault."""
        self._dismiss(post)
        self._num_false_starts += 1
        if self._num_false_starts == _MAX_FALSE_STARTS:
            raise InvalidInputError(
                f"workers must be able to load the model, got {_MAX_FALSE_STARTS} that did not: "
                f"{report.reason}. Use fewer workers or a smaller model."
            )
        self._share_out()

    def _lose(self, post: _Post[M], reason: str) -> tuple[Task, Failure]:
        self._dismiss(post)
        return self._free(post), Failure(reason=reason)

    def _dismiss(self, post: _Post[M]) -> None:
        post.member.stop()
        self._posts.remove(post)

    def _free(self, post: _Post[M]) -> Task:
        assert post.task is not None  # workers speak only of their task
        task, post.task, post.deadline = post.task, None, float("inf")
        return task
