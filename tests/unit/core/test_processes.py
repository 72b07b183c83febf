import itertools
import os
import signal

import pytest

from anymask.core.errors import InvalidInputError, ProcessError
from anymask.core.processes import map_in_processes


def identity(number: int) -> tuple[int, int]:
    return number, os.getpid()


def die_at_two(number: int) -> int:
    if number == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    if number == 3:
        raise InvalidInputError("number must not be 3, got 3.")
    return number


def test_results_come_in_order_from_other_processes() -> None:
    results = list(map_in_processes(identity, range(9), 2))
    assert [number for number, _ in results] == list(range(9))
    assert os.getpid() not in {pid for _, pid in results}


def test_one_process_is_this_one() -> None:
    assert list(map_in_processes(identity, [5], 1)) == [(5, os.getpid())]


def test_items_are_taken_as_results_are_asked_for() -> None:
    taken = []
    items = (taken.append(i) or i for i in itertools.count())
    results = map_in_processes(identity, items, 2)
    next(results)
    assert len(taken) <= 6
    results.close()


def test_what_a_process_raises_is_raised_here() -> None:
    with pytest.raises(InvalidInputError, match="must not be 3"):
        list(map_in_processes(die_at_two, [1, 3], 2))


def test_a_killed_process_is_one_line() -> None:
    with pytest.raises(ProcessError, match="got one that was killed"):
        list(map_in_processes(die_at_two, [1, 2], 2))


def test_no_processes_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="at least 1"):
        map_in_processes(identity, [1], 0)
