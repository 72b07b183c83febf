"""Make what later steps need while earlier ones run."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

_S = TypeVar("_S")
_T = TypeVar("_T")


def prefetched(make: Callable[[_S], _T], steps: Iterable[_S], num_threads: int) -> Generator[_T]:
    """What `make` returns for each step, in order, made ahead of time by background threads.

    At most two results a thread wait; an error of `make` is raised when its step's turn comes.
    """
    with ThreadPoolExecutor(num_threads) as pool:
        pending: deque[Future[_T]] = deque()
        try:
            for step in steps:
                pending.append(pool.submit(make, step))
                if len(pending) == 2 * num_threads:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:  # whoever reads may stop early
            pool.shutdown(wait=True, cancel_futures=True)
