import pytest
import torch

from anymask.core.prompts import PointLabel
from anymask.training.config import PromptConfig
from anymask.training.draws import Draws
from anymask.training.prompt_sampling import (
    error_prompts,
    noisy_boxes,
    sample_points,
    start_prompts,
)


def _draws() -> Draws:
    return Draws(generator=torch.Generator().manual_seed(0))


def _square(side: int = 16) -> torch.Tensor:
    mask = torch.zeros(1, side, side)
    mask[:, 4:12, 2:10] = 1
    return mask


def _cells(points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    cells = (points / 4).long()
    return cells[:, 1], cells[:, 0]


def test_points_fall_inside_their_region() -> None:
    region = _square().bool().expand(500, -1, -1)
    rows, columns = _cells(sample_points(region, 0.5, _draws()))
    assert bool(region[0][rows, columns].all())


def test_interior_points_are_farther_from_the_edge_than_uniform_ones() -> None:
    region = _square(32).bool().expand(2000, -1, -1)
    centre = torch.tensor([6.0, 8.0]) * 4

    def distance(probability: float) -> float:
        points = sample_points(region, probability, _draws())
        return float((points - centre).norm(dim=1).mean())

    assert distance(1.0) < 0.9 * distance(0.0)


def test_start_prompts_are_points_with_a_pad_or_boxes() -> None:
    targets = _square().expand(200, -1, -1)
    boxes = torch.tensor([[8.0, 16.0, 40.0, 48.0]]).expand(200, 4)
    coords, labels = start_prompts(targets, boxes, PromptConfig(box_probability=0.5), _draws())
    is_box = labels[:, 0] == PointLabel.BOX_TOP_LEFT
    assert 60 < int(is_box.sum()) < 140
    assert set(map(tuple, labels.tolist())) == {(2, 3), (1, -1)}
    assert bool((coords[is_box, 1] > coords[is_box, 0]).all())


def test_box_noise_is_bounded_and_boxes_stay_in_the_image() -> None:
    boxes = torch.tensor([[100.0, 100.0, 900.0, 900.0]]).expand(1000, 4)
    config = PromptConfig(box_noise_fraction=0.1, box_noise_max_px=20)
    noisy = noisy_boxes(boxes, 1024, config, _draws())
    assert float((noisy - boxes).abs().max()) <= 20
    assert float((noisy - boxes).abs().mean()) > 5
    edge = noisy_boxes(torch.tensor([[0.0, 0.0, 2.0, 64.0]]), 64, config, _draws())
    assert float(edge.min()) >= 0
    assert float(edge.max()) <= 64
    assert float(edge[0, 2] - edge[0, 0]) >= 1


@pytest.mark.parametrize(("shift", "label"), [(1, 1), (-1, 0)])
def test_error_click_is_labelled_by_what_is_wrong(shift: int, label: int) -> None:
    target = _square()
    # shift 1: the prediction misses the top rows (foreground click); -1: it adds rows (background)
    predicted = target.clone()
    predicted[:, 4:6, 2:10] = 0 if shift == 1 else 1
    if shift == -1:
        predicted[:, 2:4, 2:10] = 1
    points, labels = error_prompts(predicted * 2 - 1, target, PromptConfig(), _draws())
    assert int(labels) == label
    row, column = _cells(points[:, 0])
    assert bool((predicted[0, row, column] > 0.5) != (target[0, row, column] > 0.5))


def test_click_confirms_the_target_where_nothing_is_wrong() -> None:
    target = _square()
    _, labels = error_prompts(target * 2 - 1, target, PromptConfig(), _draws())
    assert int(labels) == PointLabel.FOREGROUND


def test_target_thinner_than_a_cell_still_gets_a_click() -> None:
    thin = torch.zeros(1, 16, 16)
    thin[0, 3] = 0.25
    points, labels = error_prompts(torch.full((1, 16, 16), -1.0), thin, PromptConfig(), _draws())
    assert int(points[0, 0, 1] // 4) == 3
    assert int(labels) == PointLabel.FOREGROUND


def test_uniform_box_noise_is_even_up_to_its_bound() -> None:
    boxes = torch.tensor([[300.0, 300.0, 400.0, 700.0]]).expand(4000, 4)
    config = PromptConfig(box_noise="uniform", box_noise_fraction=0.1, box_noise_max_px=20)
    noise = noisy_boxes(boxes, 1024, config, _draws()) - boxes
    bound = torch.tensor([10.0, 20.0, 10.0, 20.0])  # 10 % of 100, and 20 px rather than 40
    assert bool((noise.abs() <= bound + 1e-4).all())
    torch.testing.assert_close(noise.std(0), bound / 3**0.5, rtol=0.05, atol=0)


def test_gaussian_box_noise_has_the_papers_spread() -> None:
    boxes = torch.tensor([[300.0, 300.0, 400.0, 400.0]]).expand(4000, 4)
    config = PromptConfig(box_noise_fraction=0.1, box_noise_max_px=1000)
    noise = noisy_boxes(boxes, 1024, config, _draws()) - boxes
    torch.testing.assert_close(noise.std(0), torch.full((4,), 10.0), rtol=0.05, atol=0)


def test_click_on_nothing_wrong_can_be_one_on_the_background() -> None:
    target = _square().expand(50, -1, -1)
    config = PromptConfig(all_right_click="background")
    points, labels = error_prompts(target * 2 - 1, target, config, _draws())
    rows, columns = _cells(points[:, 0])
    assert not labels.any()
    assert not (target[0, rows, columns] > 0.5).any()
    everything = torch.ones(1, 16, 16)
    _, label = error_prompts(everything, everything, config, _draws())
    assert int(label) == PointLabel.FOREGROUND


def test_share_of_clicks_is_drawn_from_the_target_whatever_errs() -> None:
    target = _square().expand(2000, -1, -1)
    wrong = torch.full((16, 16), -1.0)
    wrong[4:12, 2:10] = 1  # all of the target is found
    wrong[14, 14] = 1  # and one cell too many
    config = PromptConfig(truth_probability=0.1)
    _, labels = error_prompts(wrong.expand(2000, -1, -1), target, config, _draws())
    assert 0.08 < float(labels.float().mean()) < 0.12


def test_uniform_clicks_are_uniform_over_the_error() -> None:
    target = torch.zeros(6000, 16, 16)
    target[:, 2:4, 3:9] = 1  # twelve cells, all missed
    config = PromptConfig(interior_probability=0.0)
    points, _ = error_prompts(torch.full((6000, 16, 16), -1.0), target, config, _draws())
    rows, columns = _cells(points[:, 0])
    counts = torch.bincount((rows - 2) * 6 + columns - 3, minlength=12)
    assert counts.sum() == 6000
    assert counts.min() > 400
    assert counts.max() < 600


def test_draws_of_parts_are_those_of_the_whole() -> None:
    region = torch.rand(9, 16, 16, generator=torch.Generator().manual_seed(3)) > 0.5
    whole = sample_points(region, 0.5, _draws())
    draws = _draws()
    parts = [sample_points(region[a : a + 3], 0.5, draws.part(a, 9)) for a in (6, 0, 3)]
    assert torch.equal(torch.cat([parts[1], parts[2], parts[0]]), whole)
    of_a_part = Draws(generator=_draws().generator, num_targets=9, first=3).part(3, 6)
    assert torch.equal(sample_points(region[6:], 0.5, of_a_part), whole[6:])
