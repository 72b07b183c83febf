import numpy as np
import pytest

from anymask.core.annotated import AnnotatedMask
from anymask.core.errors import InvalidInputError
from anymask.core.rle import Rle
from anymask.engine.quality.rating_sources import match_sources


def square(x: int, side: int = 30, id: str = "") -> AnnotatedMask:
    mask = np.zeros((60, 200), dtype=bool)
    mask[:side, x : x + side] = True
    return AnnotatedMask(segmentation=Rle.from_mask(mask), id=id)


def test_masks_of_one_object_are_found_by_overlap() -> None:
    sources = {
        "truth": {"a": [square(0), square(100), square(50, side=20)]},
        "model": {"a": [square(105), square(150), square(52, side=20)]},
    }
    objects = {one.key: one for one in match_sources(sources, count=9, seed=0)}
    assert set(objects) == {"0", "1"}  # the third is too small
    assert set(objects["0"].masks) == {"truth"}
    assert objects["1"].masks["model"] == sources["model"]["a"][0]


def test_ids_pair_masks_that_do_not_meet() -> None:
    sources = {"truth": {"a": [square(0, id="x")]}, "model": {"a": [square(150, id="x")]}}
    (one,) = match_sources(sources, count=9, seed=0, by_id=True)
    assert one.masks["model"] == sources["model"]["a"][0]
    assert set(match_sources(sources, count=9, seed=0)[0].masks) == {"truth"}


def test_the_seed_chooses_the_objects() -> None:
    sources = {"truth": {"a": [square(40 * place) for place in range(4)]}}
    chosen = {match_sources(sources, count=2, seed=seed)[0].key for seed in range(8)}
    assert len(chosen) > 1
    assert len(match_sources(sources, count=2, seed=0)) == 2
    with pytest.raises(InvalidInputError, match="at least 576 pixels"):
        match_sources({"truth": {"a": [square(0, side=10)]}}, count=2, seed=0)
