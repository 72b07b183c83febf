import pytest
import torch

from anymask.core.frames import ImageFrame
from anymask.inference.text_regions import (
    distinct_masks,
    image_cells,
    region_means,
    seed_cells,
)


@pytest.mark.parametrize(
    ("size", "expected"),
    [((50, 100), (4, 8)), ((100, 100), (8, 8)), ((100, 1), (8, 1)), ((70, 100), (6, 8))],
)
def test_cells_beside_the_image_are_not_looked_at(size, expected):
    assert image_cells(ImageFrame(original_size=size, image_size=128), 8) == expected


def test_peaks_come_first_then_all_that_is_hot():
    heat = torch.zeros(6, 9)
    heat[4, 7] = 0.9
    heat[1, 1:4] = torch.tensor([0.5, 0.95, 0.5])
    assert seed_cells(heat, 0.3, 10).tolist() == [[1, 2], [4, 7], [1, 1], [1, 3]]


def test_seeds_are_bounded_and_spread_over_a_large_region():
    heat = torch.rand(24, 24, generator=torch.Generator().manual_seed(0)) * 0.1
    heat[:, 12:] += 0.5
    for limit in (1, 2, 5, 16, 64):
        seeds = seed_cells(heat, 0.3, limit)
        assert 1 <= len(seeds) <= limit
        assert int(seeds[:, 1].min()) >= 12
        assert len({tuple(seed) for seed in seeds.tolist()}) == len(seeds)
    grid = seed_cells(heat, 0.3, 64)
    for half in (grid[:, 0] < 12, grid[:, 0] >= 12, grid[:, 1] < 18, grid[:, 1] >= 18):
        assert int(half.sum()) > 10


def test_the_whole_image_is_gridded_where_nothing_is_hot():
    seeds = seed_cells(torch.full((6, 9), 0.01), 0.3, 200)
    assert len({tuple(seed) for seed in seeds.tolist()}) == 54
    few = seed_cells(torch.full((24, 24), 0.01), 0.3, 16)
    assert 4 <= len(few) <= 16


def test_region_mean_weighs_cells_by_what_is_covered():
    heat = torch.tensor([[0.2, 0.8]])
    masks = torch.zeros(3, 4, 8, dtype=torch.bool)
    masks[0, :, :4] = True
    masks[1, :, 2:8] = True  # half of the first cell, all of the second
    assert region_means(heat, masks).tolist() == pytest.approx([0.2, 0.6, 0.0])


def test_of_overlapping_masks_the_better_stays_and_parts_go():
    masks = torch.zeros(5, 10, 10, dtype=torch.bool)
    masks[0, :6, :6] = True
    masks[1, :6, :5] = True  # IoU 30 / 36 with the first
    masks[2, :2, :2] = True  # a part of the first
    masks[3, 8:, 8:] = True  # elsewhere
    masks[4, :, :] = True  # IoU 36 / 100 with the first
    scores = torch.tensor([0.9, 0.8, 0.7, 0.6, 0.5])
    assert distinct_masks(masks, scores, 0.5).tolist() == [0, 3, 4]
    assert distinct_masks(masks, scores, 0.3).tolist() == [0, 3]
    assert distinct_masks(masks, scores.flip(0), 0.5).tolist() == [4]
    assert distinct_masks(masks[:2], torch.tensor([0.5, 0.5]), 0.5).tolist() == [0]
    assert distinct_masks(masks[:0], scores[:0], 0.5).tolist() == []
