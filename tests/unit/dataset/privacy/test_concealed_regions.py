from typing import Any

import numpy as np
import pytest

from anymask.core.errors import InvalidInputError
from anymask.dataset.privacy.regions import Region, find_regions, merge_regions


def face(*box: float, score: float = 0.5, **more: Any) -> Region:
    x0, y0, x1, y1 = box
    return Region(box=(x0, y0, x1, y1), score=score, **{"kind": "face", "source": "a", **more})


def test_overlapping_regions_become_the_best() -> None:
    merged = merge_regions([face(0, 0, 10, 10), face(1, 0, 11, 10, score=0.9)], "face")
    assert [region.score for region in merged] == [0.9]


def test_a_piece_of_a_region_goes() -> None:
    whole, piece = face(0, 0, 40, 40, score=0.8), face(0, 0, 10, 40, score=0.6)
    assert merge_regions([piece, whole], "face") == (whole,)


def test_a_whole_around_a_better_piece_stays() -> None:
    piece, whole = face(0, 0, 10, 10, score=0.9), face(0, 0, 40, 40, score=0.6)
    assert merge_regions([piece, whole], "face") == (piece, whole)


def test_kinds_are_kept_apart() -> None:
    class Fixed:
        def __init__(self, *found: Region) -> None:
            self.name, self.found = "a", found

        def find(self, image: Any) -> tuple[Region, ...]:
            return self.found

    plate = face(0, 0, 10, 10, kind="plate")
    detectors = [Fixed(plate), Fixed(face(0, 0, 10, 10)), Fixed(face(0, 0, 10, 10, score=0.4))]
    found = find_regions(detectors, np.zeros((20, 20, 3), np.uint8))
    assert [(region.kind, region.score) for region in found] == [("face", 0.5), ("plate", 0.5)]
    assert find_regions([], np.zeros((20, 20, 3), np.uint8)) == ()


def test_json_and_back() -> None:
    region = face(1, 2, 3.25, 4, score=0.125)
    assert Region.from_json(region.to_json()) == region


@pytest.mark.parametrize(
    "wrong",
    [
        {"box": (0, 0, 0, 5)},
        {"box": (0, 0, float("nan"), 5)},
        {"kind": "cat"},
        {"score": 1.5},
    ],
)
def test_wrong_regions_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError, match=f"{next(iter(wrong))} must be"):
        Region(**{"box": (0, 0, 5, 5), "kind": "face", "score": 0.5, "source": "a", **wrong})


@pytest.mark.parametrize("value", [None, {}, {"box": [1, 2], "kind": "face"}, {"box": 3}])
def test_wrong_json_is_refused(value: Any) -> None:
    with pytest.raises(InvalidInputError, match="region must have"):
        Region.from_json(value)
