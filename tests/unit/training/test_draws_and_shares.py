import pytest
import torch

from anymask.training.draws import Draws
from anymask.training.share import Share


def _draws(num_targets: int | None = None, first: int = 0) -> Draws:
    generator = torch.Generator().manual_seed(7)
    return Draws(generator=generator, num_targets=num_targets, first=first)


@pytest.mark.parametrize("batch_size", [1, 4, 7, 12])
@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_shares_divide_a_batch_without_gap_or_overlap(batch_size: int, count: int) -> None:
    rows = [row for i in range(count) for row in Share(index=i, count=count).rows(batch_size)]
    assert rows == list(range(batch_size))


def test_passes_of_a_process_are_within_its_rows() -> None:
    for rank in range(3):
        parts = [Share(index=2 * rank + i, count=6).rows(10) for i in range(2)]
        assert [*parts[0], *parts[1]] == list(Share(index=rank, count=3).rows(10))


def test_parts_of_a_batch_see_the_numbers_of_the_whole() -> None:
    whole, low, high = _draws(), _draws(10, 0), _draws(10, 6)
    for shape in ((), (2,), (3, 2)):
        expected = whole.rand(10, *shape), whole.randn(10, *shape), whole.integer(100)
        found_low = low.rand(6, *shape), low.randn(6, *shape), low.integer(100)
        found_high = high.rand(4, *shape), high.randn(4, *shape), high.integer(100)
        for i in range(2):
            assert torch.equal(expected[i], torch.cat([found_low[i], found_high[i]]))
        assert expected[2] == found_low[2] == found_high[2]
    assert whole.unit() == low.unit() == high.unit()


def test_part_of_a_part_keeps_its_place_and_leaves_the_rest_alone() -> None:
    draws = _draws(12, 4)
    part = draws.part(2, 8)
    expected = _draws(12).rand(12)[6:9]
    assert torch.equal(part.rand(3), expected)
    assert torch.equal(draws.rand(8), _draws(12).rand(12)[4:])


def test_branch_does_not_move_the_main_numbers() -> None:
    draws = _draws()
    branched = torch.rand(3, generator=draws.branch(1))
    assert torch.equal(branched, torch.rand(3, generator=draws.branch(1)))
    assert not torch.equal(branched, torch.rand(3, generator=draws.branch(2)))
    assert torch.equal(draws.rand(5), _draws().rand(5))
