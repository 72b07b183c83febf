"""Workers as processes of this machine."""

import multiprocessing
import signal
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess

from anymask.core.errors import AnymaskError, InvalidInputError
from anymask.core.processes import num_usable_cores
from anymask.engine.automatic.tasks import Gone, Ready, Report, Task, Unusable, WorkSetup, attempt


class LocalMember:
    """A worker's process and the pipe to it."""

    def __init__(self, process: SpawnProcess, pipe: "Connection[Task, Report]") -> None:
        self._process = process
        self.pipe = pipe

    def send(self, task: Task) -> None:
        """Give it a task."""
        with suppress(ConnectionError):  # the pipe's end will be read as `Gone`
            self.pipe.send(task)

    def read(self) -> Report:
        """Return what it has said, or that it is gone."""
        try:
            return self.pipe.recv()
        except (EOFError, ConnectionError):
            self._process.join()
            return Gone(reason=f"the worker's process {_ending(self._process.exitcode)}")

    def stop(self) -> None:
        """End the process at once."""
        self._process.kill()
        self._process.join()
        self.pipe.close()


class LocalExecutor:
    """Processes of this machine, started afresh: no state of this one goes with them.

    Args:
        num_workers: processes; one for each core by default.

    Raises:
        InvalidInputError: fewer than one worker.
    """

    def __init__(self, num_workers: int | None = None) -> None:
        self.num_workers = num_usable_cores() if num_workers is None else num_workers
        if self.num_workers < 1:
            raise InvalidInputError(
                f"num_workers must be at least 1, got {num_workers}. Leave it out for all cores."
            )

    def hire(self, setup: WorkSetup) -> LocalMember:
        """Start a process."""
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(setup, theirs), daemon=True)
        process.start()
        theirs.close()  # so that the pipe ends with the process
        return LocalMember(process, ours)

    def first_report(
        self, members: Sequence[LocalMember], timeout_seconds: float | None
    ) -> tuple[LocalMember, Report] | None:
        """Wait for a report."""
        ready = wait([member.pipe for member in members], timeout_seconds)
        if not ready:
            return None
        member = next(member for member in members if member.pipe is ready[0])
        return member, member.read()


def _serve(setup: WorkSetup, pipe: "Connection[Report, Task]") -> None:
    """A worker's life; it ends with the driver's, at the latest after the photo it is at."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the driver's affair
    with suppress(EOFError, ConnectionError):
        try:
            worker = setup.start()
        except AnymaskError as error:
            pipe.send(Unusable(reason=str(error)))
            return
        pipe.send(Ready(identity=worker.identity))
        while True:
            pipe.send(attempt(worker, pipe.recv()))


def _ending(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        name = signal.Signals(-exit_code).name
        hint = " (out of memory?)" if name == "SIGKILL" else ""
        return f"was ended by {name}{hint}"
    return f"ended with exit code {exit_code}"
