import threading

import pytest

from anymask.training.prefetch import prefetched


@pytest.mark.parametrize("num_threads", [1, 3])
@pytest.mark.parametrize("count", [0, 1, 20])
def test_results_come_in_order(num_threads: int, count: int) -> None:
    made = prefetched(lambda step: step**2, range(5, 5 + count), num_threads)
    assert list(made) == [step**2 for step in range(5, 5 + count)]


def test_only_a_few_are_made_ahead() -> None:
    started: list[int] = []
    made = prefetched(lambda step: started.append(step) or step, range(100), 2)
    assert next(made) == 0
    made.close()
    assert len(started) <= 5


def test_an_error_comes_when_its_turn_does() -> None:
    def make(step: int) -> int:
        if step == 2:
            raise ValueError("step 2")
        return step

    made = prefetched(make, range(5), 2)
    assert [next(made), next(made)] == [0, 1]
    with pytest.raises(ValueError, match="step 2"):
        next(made)


def test_threads_end_with_the_reader() -> None:
    before = threading.active_count()
    made = prefetched(lambda step: step, range(1000), 4)
    next(made)
    assert threading.active_count() > before
    made.close()
    assert threading.active_count() == before
