"""Times of several ways to do the same thing, taken in turn so that noise falls on all alike."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from anymask.core.errors import InvalidInputError


@dataclass(frozen=True, kw_only=True)
class Times:
    """Seconds of one contender, a number a round, in order."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The middle one, which a single interruption does not move."""
        return statistics.median(self.seconds)


@dataclass(frozen=True, kw_only=True)
class Ratio:
    """How many times faster: the median over rounds, and the range of the rounds."""

    median: float
    low: float
    high: float


def take_turns(
    actions: Mapping[str, Callable[[], object]],
    num_rounds: int,
    *,
    num_warm_ups: int = 1,
    on_round: Callable[[], object] = lambda: None,
) -> dict[str, Times]:
    """The times of each action: in every round each runs once, one after the other.

    A machine that is slow for a while is so for all of them, hence ratios are taken round by round
    (`ratio`). An action must end only when its work is done: on a GPU it has to synchronise.

    Args:
        actions: name to what is timed.
        num_rounds: that count.
        num_warm_ups: rounds before, which do not.
        on_round: called after every round, also those of the warm-up.

    Raises:
        InvalidInputError: fewer than one round.
    """
    if num_rounds < 1:
        raise InvalidInputError(f"rounds must be at least 1, got {num_rounds}. Raise the number.")
    seconds: dict[str, list[float]] = {name: [] for name in actions}
    for number in range(num_warm_ups + num_rounds):
        for name, action in actions.items():
            started = time.perf_counter()
            action()
            elapsed = time.perf_counter() - started
            if number >= num_warm_ups:
                seconds[name].append(elapsed)
        on_round()
    return {name: Times(seconds=tuple(values)) for name, values in seconds.items()}


def ratio(slower: Times, faster: Times) -> Ratio:
    """How many times less `faster` took, round by round of one `take_turns`."""
    values = [a / b for a, b in zip(slower.seconds, faster.seconds, strict=True)]
    return Ratio(median=statistics.median(values), low=min(values), high=max(values))
