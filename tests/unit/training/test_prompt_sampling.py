import pytest
import torch

from anymask.core.prompts import PointLabel
from anymask.training.config import PromptConfig
from anymask.training.prompt_sampling import (
    error_prompts,
    noisy_boxes,
    sample_points,
    start_prompts,
)


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def _square(side: int = 16) -> torch.Tensor:
    mask = torch.zeros(1, side, side)
    mask[:, 4:12, 2:10] = 1
    return mask


def _cells(points: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    cells = (points / 4).long()
    return cells[:, 1], cells[:, 0]


def test_points_fall_inside_their_region() -> None:
    region = _square().bool().expand(500, -1, -1)
    rows, columns = _cells(sample_points(region, 0.5, _generator()))
    assert bool(region[0][rows, columns].all())


def test_interior_points_are_farther_from_the_edge_than_uniform_ones() -> None:
    region = _square(32).bool().expand(2000, -1, -1)
    centre = torch.tensor([6.0, 8.0]) * 4

    def distance(probability: float) -> float:
        points = sample_points(region, probability, _generator())
        return float((points - centre).norm(dim=1).mean())

    assert distance(1.0) < 0.9 * distance(0.0)


def test_start_prompts_are_points_with_a_pad_or_boxes() -> None:
    targets = _square().expand(200, -1, -1)
    boxes = torch.tensor([[8.0, 16.0, 40.0, 48.0]]).expand(200, 4)
    coords, labels = start_prompts(targets, boxes, PromptConfig(box_probability=0.5), _generator())
    is_box = labels[:, 0] == PointLabel.BOX_TOP_LEFT
    assert 60 < int(is_box.sum()) < 140
    assert set(map(tuple, labels.tolist())) == {(2, 3), (1, -1)}
    assert bool((coords[is_box, 1] > coords[is_box, 0]).all())


def test_box_noise_is_bounded_and_boxes_stay_in_the_image() -> None:
    boxes = torch.tensor([[100.0, 100.0, 900.0, 900.0]]).expand(1000, 4)
    config = PromptConfig(box_noise_fraction=0.1, box_noise_max_px=20)
    noisy = noisy_boxes(boxes, 1024, config, _generator())
    assert float((noisy - boxes).abs().max()) <= 20
    assert float((noisy - boxes).abs().mean()) > 5
    edge = noisy_boxes(torch.tensor([[0.0, 0.0, 2.0, 64.0]]), 64, config, _generator())
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
    points, labels = error_prompts(predicted * 2 - 1, target, PromptConfig(), _generator())
    assert int(labels) == label
    row, column = _cells(points[:, 0])
    assert bool((predicted[0, row, column] > 0.5) != (target[0, row, column] > 0.5))


def test_click_confirms_the_target_where_nothing_is_wrong() -> None:
    target = _square()
    _, labels = error_prompts(target * 2 - 1, target, PromptConfig(), _generator())
    assert int(labels) == PointLabel.FOREGROUND


def test_target_thinner_than_a_cell_still_gets_a_click() -> None:
    thin = torch.zeros(1, 16, 16)
    thin[0, 3] = 0.25
    points, labels = error_prompts(
        torch.full((1, 16, 16), -1.0), thin, PromptConfig(), _generator()
    )
    assert int(points[0, 0, 1] // 4) == 3
    assert int(labels) == PointLabel.FOREGROUND
