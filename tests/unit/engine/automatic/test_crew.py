import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from anymask.core.errors import InvalidInputError
from anymask.engine.automatic.config import AutomaticConfig
from anymask.engine.automatic.crew import Crew
from anymask.engine.automatic.run_folder import RunFolder
from anymask.engine.automatic.tasks import (
    Failure,
    Gone,
    PhotoTask,
    Ready,
    Report,
    ShardDone,
    ShardTask,
    Task,
    Unusable,
    WorkSetup,
)
from anymask.engine.automatic.work_list import ListedPhoto

DONE = ShardDone(summary=None)
PHOTO = ListedPhoto(image_id=1, digest="00", source="a.jpg")
TASK = PhotoTask(shard=0, photo=PHOTO)


@dataclass(eq=False)
class Scripted:
    """Reports one after another; when there are no more, it says nothing."""

    reports: list[Report]
    tasks: list[Task] = field(default_factory=list)
    is_stopped: bool = False

    def send(self, task: Task) -> None:
        self.tasks.append(task)

    def stop(self) -> None:
        self.is_stopped = True


class ScriptedExecutor:
    def __init__(self, *scripts: list[Report], num_workers: int = 1) -> None:
        self.num_workers = num_workers
        self.members = [Scripted(script) for script in scripts]
        self.num_hired = 0

    def hire(self, setup: WorkSetup) -> Scripted:
        self.num_hired += 1
        return self.members[self.num_hired - 1]

    def first_report(
        self, members: Sequence[Scripted], timeout_seconds: float | None
    ) -> tuple[Scripted, Report] | None:
        for member in members:
            if member.reports:
                return member, member.reports.pop(0)
        assert timeout_seconds is not None
        time.sleep(timeout_seconds)
        return None


def crew(tmp_path: Path, executor: ScriptedExecutor, seconds: float = 60.0) -> Crew[Scripted]:
    folder = RunFolder(path=tmp_path)
    folder.make()
    setup = WorkSetup(config=AutomaticConfig(), folder=folder, make_detectors=tuple)
    return Crew(executor, setup, seconds)


READY = Ready(identity="small-1 cpu float32")


def test_one_worker_does_one_task_at_a_time(tmp_path: Path) -> None:
    executor = ScriptedExecutor([READY, DONE, DONE])
    with crew(tmp_path, executor) as workers:
        assert workers.has_room
        for _ in range(2):
            workers.submit(TASK)
            assert not workers.has_room
            assert workers.wait() == (TASK, DONE)
        assert workers.num_tasks == 0
    assert executor.num_hired == 1
    assert executor.members[0].is_stopped


def test_a_late_worker_is_replaced_and_its_photo_blamed(tmp_path: Path) -> None:
    executor = ScriptedExecutor([READY], [READY, DONE])
    with crew(tmp_path, executor, 0.01) as workers:
        workers.submit(TASK)
        assert workers.wait() == (TASK, Failure(reason="it took longer than 0.01 seconds"))
        assert executor.members[0].is_stopped
        workers.submit(TASK)
        assert workers.wait() == (TASK, DONE)


def test_a_shard_may_take_any_time(tmp_path: Path) -> None:
    task = ShardTask(shard=0, photos=(PHOTO,))
    with crew(tmp_path, ScriptedExecutor([READY]), 0.01) as workers:
        workers.submit(task)
        with pytest.raises(AssertionError):  # it would wait without a limit
            workers.wait()


def test_a_dead_worker_is_replaced_and_its_photo_blamed(tmp_path: Path) -> None:
    executor = ScriptedExecutor([READY, Gone(reason="was killed")], [READY, DONE])
    with crew(tmp_path, executor) as workers:
        workers.submit(TASK)
        assert workers.wait() == (TASK, Failure(reason="was killed"))
        workers.submit(TASK)
        assert workers.wait() == (TASK, DONE)


def test_death_while_loading_is_no_fault_of_the_photo(tmp_path: Path) -> None:
    executor = ScriptedExecutor([Gone(reason="killed")], [READY, DONE])
    with crew(tmp_path, executor) as workers:
        workers.submit(TASK)
        assert workers.wait() == (TASK, DONE)
    assert executor.members[1].tasks == [TASK]


def test_workers_that_never_begin_end_the_run(tmp_path: Path) -> None:
    executor = ScriptedExecutor(*([Gone(reason="killed")] for _ in range(3)))
    with crew(tmp_path, executor) as workers:
        workers.submit(TASK)
        with pytest.raises(InvalidInputError, match="3 that did not: killed"):
            workers.wait()


def test_a_wrong_model_ends_the_run_with_its_own_words(tmp_path: Path) -> None:
    with crew(tmp_path, ScriptedExecutor([Unusable(reason="unknown model x.")])) as workers:
        workers.submit(TASK)
        with pytest.raises(InvalidInputError, match="unknown model x"):
            workers.wait()


def test_workers_that_would_differ_are_refused(tmp_path: Path) -> None:
    other = Ready(identity="small-1 cpu bfloat16")
    executor = ScriptedExecutor([READY, DONE], [other, DONE], num_workers=2)
    with crew(tmp_path, executor) as workers:
        workers.submit(TASK)
        workers.submit(TASK)
        workers.wait()
        with pytest.raises(InvalidInputError, match="must stay 'small-1 cpu float32'"):
            workers.wait()


def test_a_worker_that_finds_no_room_holds_no_task(tmp_path: Path) -> None:
    other = PhotoTask(shard=1, photo=PHOTO)
    executor = ScriptedExecutor([READY, DONE, DONE], [], num_workers=2)
    with crew(tmp_path, executor) as workers:
        workers.submit(TASK)
        workers.submit(other)
        assert workers.wait() == (TASK, DONE)
        workers.submit(TASK)
        assert workers.wait() == (other, DONE)
    assert executor.members[1].tasks == []
