import numpy as np
import pytest

from anymask.core.errors import InvalidInputError
from anymask.inference.point_grid import crop_layers, point_grid, point_grids


def test_grid_lies_at_the_centres_of_its_cells():
    grid = point_grid(4)
    assert grid.shape == (16, 2)
    assert grid[0].tolist() == [0.125, 0.125]
    assert grid[1].tolist() == [0.375, 0.125]
    assert np.allclose(grid.mean(axis=0), 0.5)


def test_grids_of_further_layers_are_coarser():
    assert [len(grid) for grid in point_grids(8, 2, 2)] == [64, 16, 4]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: point_grid(0), "points_per_side must be at least 1, got 0"),
        (lambda: point_grids(4, 3, 2), "crop_points_downscale_factor must leave points"),
    ],
)
def test_grid_without_points_is_told(call, text):
    with pytest.raises(InvalidInputError, match=text):
        call()


def test_first_layer_is_the_whole_image():
    assert crop_layers((30, 40), 0, 0.3) == [((0, 0, 40, 30), 0)]


def test_crops_of_a_layer_cover_the_image_and_overlap():
    crops = [box for box, layer in crop_layers((300, 400), 2, 512 / 1500) if layer == 2]
    assert len(crops) == 16
    covered = np.zeros((300, 400), dtype=int)
    for x0, y0, x1, y1 in crops:
        assert 0 <= x0 < x1 <= 400
        assert 0 <= y0 < y1 <= 300
        covered[y0:y1, x0:x1] += 1
    assert covered.min() == 1
    assert covered.max() > 1


def test_crops_of_an_image_of_one_pixel_are_not_empty():
    assert all(x0 < x1 and y0 < y1 for (x0, y0, x1, y1), _ in crop_layers((1, 1), 3, 0.3))
