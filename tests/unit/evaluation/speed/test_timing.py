import pytest

from anymask.core.errors import InvalidInputError
from anymask.evaluation.speed.timing import Times, ratio, take_turns


def test_actions_take_turns_and_warm_ups_do_not_count() -> None:
    calls: list[str] = []
    rounds: list[int] = []
    times = take_turns(
        {"a": lambda: calls.append("a"), "b": lambda: calls.append("b")},
        2,
        num_warm_ups=1,
        on_round=lambda: rounds.append(len(calls)),
    )
    assert calls == ["a", "b"] * 3
    assert rounds == [2, 4, 6]
    assert {name: len(taken.seconds) for name, taken in times.items()} == {"a": 2, "b": 2}
    assert all(value >= 0 for taken in times.values() for value in taken.seconds)


def test_ratio_is_taken_round_by_round() -> None:
    slower, faster = Times(seconds=(2.0, 9.0, 4.0)), Times(seconds=(1.0, 3.0, 1.0))
    found = ratio(slower, faster)
    assert (found.median, found.low, found.high) == (3.0, 2.0, 4.0)
    assert slower.median == 4.0


def test_no_rounds_is_an_error() -> None:
    with pytest.raises(InvalidInputError, match="rounds must be at least 1, got 0"):
        take_turns({"a": lambda: None}, 0)
