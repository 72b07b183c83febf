import pytest

from anymask.core.errors import InvalidInputError
from anymask.engine.automatic.estimate import estimate_cost

LOG = [
    {"seconds": 1.0, "num_masks": 10, "num_bytes": 1000},
    {"seconds": 3.0, "num_masks": 30, "num_bytes": 3000},
]


def test_a_cost_is_the_mean_times_the_number() -> None:
    cost = estimate_cost(LOG, 3600)
    assert cost.worker_hours == 2.0
    assert cost.hours(4) == 0.5
    assert cost.num_masks == 72_000
    assert cost.num_bytes == 7_200_000
    assert cost.num_measured == 2


def test_nothing_measured_or_asked_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="empty log"):
        estimate_cost([], 10)
    with pytest.raises(InvalidInputError, match="num_images must be at least 1, got 0"):
        estimate_cost(LOG, 0)
