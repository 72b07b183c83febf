import numpy as np
import pytest

from anymask.core.geometry import mask_iou
from anymask.engine.simulation.perception import as_seen, outline, prominence_order


def disc(x: int, y: int, radius: int, size: tuple[int, int] = (200, 240)) -> np.ndarray:
    rows, columns = np.mgrid[: size[0], : size[1]]
    return (rows - y) ** 2 + (columns - x) ** 2 < radius**2


def test_people_see_about_as_much_of_an_object_as_they_should() -> None:
    target = disc(110, 90, 50)
    seen = [as_seen(target, 0.94, np.random.default_rng(seed)) for seed in range(40)]
    assert np.mean([mask_iou(one, target) for one in seen]) == pytest.approx(0.94, abs=0.02)
    # Sec. 5 quotes 85 to 91 % between two people.
    pairs = [mask_iou(a, b) for a, b in zip(seen[::2], seen[1::2], strict=True)]
    assert 0.85 < np.mean(pairs) < 0.93


def test_small_objects_and_those_at_the_border_are_seen_too() -> None:
    for target in (disc(3, 3, 3), disc(239, 199, 30), np.ones((20, 30), dtype=bool)):
        seen = as_seen(target, 0.94, np.random.default_rng(1))
        assert seen.shape == target.shape
        assert mask_iou(seen, target) > 0.7
    assert not as_seen(np.zeros((9, 9), dtype=bool), 0.94, np.random.default_rng(1)).any()


def test_large_central_and_contrasting_objects_come_first() -> None:
    image = np.full((200, 240, 3), 128, dtype=np.uint8)
    large, small, aside = disc(120, 100, 60), disc(120, 100, 8), disc(20, 20, 8)
    image[aside] = 140
    first = [
        prominence_order(image, [aside, small, large], np.random.default_rng(seed))
        for seed in range(20)
    ]
    assert [order[0] for order in first] == [2] * 20
    assert np.mean([order.index(1) < order.index(0) for order in first]) > 0.8
    plain, bright = disc(60, 100, 20), disc(180, 100, 20)
    image[bright] = 255
    orders = [prominence_order(image, [plain, bright], np.random.default_rng(s)) for s in range(40)]
    assert np.mean([order == [1, 0] for order in orders]) > 0.7


def test_the_outline_is_one_pixel_wide_and_closed_at_the_border() -> None:
    mask = np.zeros((6, 7), dtype=bool)
    mask[1:5, 1:6] = True
    assert outline(mask).sum() == 14
    assert outline(np.ones((4, 4), dtype=bool)).sum() == 12
