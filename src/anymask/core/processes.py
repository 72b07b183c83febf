"""One function over many items on all cores: results in the items' order, and few at a time."""

import itertools
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

from anymask.core.errors import InvalidInputError, ProcessError

Item = TypeVar("Item")
Result = TypeVar("Result")

_AHEAD = 2  # items a process has waiting: enough to keep it busy


def num_usable_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def map_in_processes(
    function: Callable[[Item], Result], items: Iterable[Item], num_processes: int | None = None
) -> Iterator[Result]:
    """Yield `function(item)` for each item, in order; what it raises is raised here.

    Items are taken as results are asked for, a few a process ahead, so that memory does not grow
    with their number. Processes start anew (no fork: threads of this one do no harm), so the
    function must be importable, and a script needs its `if __name__ == "__main__"`.

    Args:
        function: of one item; both, and the result, can be pickled.
        items: any number.
        num_processes: all usable cores by default; 1 works in this process.

    Raises:
        InvalidInputError: fewer than one process.
        ProcessError: a process was killed, as when memory runs out.
    """
    count = num_usable_cores() if num_processes is None else num_processes
    if count < 1:
        raise InvalidInputError(f"num_processes must be at least 1, got {count}. Use 1 or more.")
    return map(function, items) if count == 1 else _map_in_pool(function, iter(items), count)


def _map_in_pool(
    function: Callable[[Item], Result], items: Iterator[Item], count: int
) -> Iterator[Result]:
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(count, mp_context=context, initializer=_leave_ctrl_c_to_the_parent)
    waiting: deque[Future[Result]] = deque()
    try:
        for item in itertools.islice(items, count * _AHEAD):
            waiting.append(pool.submit(function, item))
        while waiting:
            result = waiting.popleft().result()
            for item in itertools.islice(items, 1):
                waiting.append(pool.submit(function, item))
            yield result
    except BrokenProcessPool:
        raise ProcessError(
            "processes must live until their work is done, got one that was killed. "
            "Use fewer processes if memory ran out."
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _leave_ctrl_c_to_the_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
