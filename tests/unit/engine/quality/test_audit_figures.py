import numpy as np
import pytest

from anymask.core.rle import Rle
from anymask.engine.quality.audit_figures import measure_audit
from anymask.engine.store.audited import CorrectedMask


def stripe(rows: int) -> Rle:
    mask = np.zeros((100, 100), dtype=bool)
    mask[:rows] = True
    return Rle.from_mask(mask)


def corrected(image: int, before: int | None, after: int | None) -> CorrectedMask:
    return CorrectedMask(
        image_id=image,
        mask_id="" if before is None else "1",
        before=None if before is None else stripe(before),
        after=None if after is None else stripe(after),
    )


def test_deleted_masks_count_zero_and_added_ones_not_at_all() -> None:
    masks = [corrected(1, 50, 50), corrected(1, 40, 50), corrected(2, 50, None)]
    figures = measure_audit([*masks, corrected(2, None, 30)])
    assert (figures.images, figures.kept, figures.changed) == (2, 1, 1)
    assert (figures.deleted, figures.added) == (1, 1)
    assert figures.all is not None
    assert figures.remaining is not None
    assert figures.all.mean.value == pytest.approx(0.6)
    assert figures.all.above_75.value == pytest.approx(2 / 3)
    assert figures.remaining.mean.value == pytest.approx(0.9)
    assert figures.remaining.above_90.value == 0.5
    assert (figures.histogram[0], figures.histogram[16], figures.histogram[19]) == (1, 1, 1)


def test_sizes_are_those_before_the_correction() -> None:
    figures = measure_audit([corrected(1, 5, 5), corrected(1, 95, 5)])
    assert {name.split()[0]: group.masks for name, group in figures.by_size.items()} == {
        "small": 1,
        "large": 1,
    }


def test_intervals_resample_images() -> None:
    masks = [corrected(1, 50, 50)] * 9 + [corrected(2, 50, None)]
    found = measure_audit(masks).all
    assert found is not None
    assert (found.mean.low, found.mean.high) == (0, 1)


def test_nothing_handed_in_has_no_figures() -> None:
    figures = measure_audit([])
    assert figures.all is None
    assert figures.by_size == {}
    assert sum(figures.histogram) == 0
