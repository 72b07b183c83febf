import math
from dataclasses import replace

import numpy as np
import pytest

from anymask.core.errors import InvalidInputError
from anymask.core.rle import Rle
from anymask.dataset.described import DescribedImage, DescribedMask
from anymask.dataset.statistics import (
    DatasetStatistics,
    count_images,
    crop_layer,
    median_of,
    stratified_concavity,
)


def box_mask(x0: int, y0: int, x1: int, y1: int, **known) -> DescribedMask:
    mask = np.zeros((60, 80), dtype=bool)
    mask[y0:y1, x0:x1] = True
    return DescribedMask(mask_id=1, segmentation=Rle.from_mask(mask), **known)


def image_of(*masks: DescribedMask) -> DescribedImage:
    return DescribedImage(
        image_id=1, name="a.jpg", original_size=(60, 80), picture=b"", masks=masks
    )


def rings(number: int) -> DatasetStatistics:
    """Images with a concave mask and a box of the same size stratum each."""
    ring = np.ones((60, 80), dtype=bool)
    ring[5:-5, 5:-5] = False
    mask = DescribedMask(mask_id=1, segmentation=Rle.from_mask(ring))
    return count_images([image_of(mask, box_mask(0, 0, 40, 40))] * number)


def test_masks_are_counted_by_what_they_are():
    one = count_images([image_of(box_mask(0, 0, 24, 8, predicted_iou=0.95)), image_of()])
    assert (one.num_images, one.num_masks, one.mean_masks_per_image) == (2, 1, 0.5)
    assert one.masks_per_image == {0: 1, 1: 1}
    assert one.relative_sizes[20] == 1  # sqrt(192 / 4800)
    assert one.areas_px.tolist() == [1, 0, 0]
    assert one.concavities[4, 0] == 1  # between 1/8 and 1/4
    assert one.centres[4, 9] == 1  # (12, 4) of 80 x 60, in 64ths
    assert one.predicted_ious[190] == one.predicted_ious.sum() == 1
    assert not one.stability_scores.any()
    assert not one.crop_layers.any()
    assert one.shortest_sides[0] == 2


def test_counting_in_parts_is_counting_all():
    images = [image_of(box_mask(i, i, 2 * i + 2, i + 3)) for i in range(9)]
    whole = count_images(images)
    parts = count_images(images[:4]) + count_images([]) + count_images(images[4:])
    assert parts.to_json() == whole.to_json()


def test_statistics_survive_json():
    one = rings(2)
    assert DatasetStatistics.from_json(one.to_json()).to_json() == one.to_json()


@pytest.mark.parametrize("change", [{"centres": [1]}, {"num_masks": "many"}, {"areas_px": None}])
def test_other_json_is_refused(change):
    with pytest.raises(InvalidInputError, match="anymask dataset stats"):
        DatasetStatistics.from_json(rings(1).to_json() | change)


def test_nothing_has_no_mean():
    nothing = DatasetStatistics.empty()
    assert math.isnan(nothing.mean_masks_per_image)
    assert math.isnan(nothing.median_relative_size)
    assert math.isnan(nothing.share_of_images(0, 10))


def test_a_share_counts_both_ends():
    one = replace(DatasetStatistics.empty(), num_images=4)
    one.masks_per_image.update({10: 1, 11: 2, 50: 1})
    assert one.share_of_images(11, 50) == 0.75


def test_a_median_is_the_middle_of_its_bin():
    assert median_of(np.array([0, 3, 1]), 0.5) == 0.75


@pytest.mark.parametrize(
    ("crop", "layer"),
    [((2000, 1500), 0), ((1999, 1501), 0), ((1167, 1000), 1), ((692, 567), 2), ((1, 1), 4)],
)
def test_crops_are_told_by_their_size(crop, layer):
    assert crop_layer(crop, (1500, 2000)) == layer


def test_sizes_weigh_alike_in_concavity():
    few_large = rings(40) + count_images([image_of(*[box_mask(0, 0, 3, 3)] * 400)])
    (alone,) = stratified_concavity([few_large])
    assert alone.sum() == pytest.approx(1)
    # 400 small boxes are one size, the 80 large masks another.
    assert alone[0] == pytest.approx((1 + 0.5) / 2, abs=0.01)


def test_only_sizes_that_all_sets_have_are_compared():
    small = count_images([image_of(*[box_mask(0, 0, 3, 3)] * 50)])
    ours, theirs = stratified_concavity([rings(40), small])
    assert np.isnan(ours).all()
    assert np.isnan(theirs).all()
    ours, theirs = stratified_concavity([rings(40) + small, small])
    assert ours[0] == theirs[0] == 1
