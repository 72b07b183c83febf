import dataclasses
import inspect

import numpy as np
import pytest

from anymask.cli.everything import OPTIONS
from anymask.core.errors import InvalidInputError
from anymask.inference.generator import MaskGenerator
from anymask.inference.predictor import Predictor
from anymask.model.checkpoints import build_sam
from anymask.model.presets import tiny
from tiny_predictor import noise_image, tiny_predictor

PERMISSIVE = {
    "points_per_side": 4,
    "pred_iou_thresh": 0.0,
    "stability_score_thresh": 0.0,
    "box_nms_thresh": 0.95,
    "max_mask_area_fraction": 1.0,
}


def generate(**options):
    generator = MaskGenerator(tiny_predictor(), **{**PERMISSIVE, **options})
    return generator.generate(noise_image())


def test_records_describe_their_masks():
    records = generate()
    assert records
    assert [record.id for record in records] == list(range(1, len(records) + 1))
    for record in records:
        mask = record.segmentation.to_mask()
        assert mask.shape == (50, 70)
        assert record.area == mask.sum() > 0
        columns = np.flatnonzero(mask.any(axis=0))
        assert record.bbox[0] == columns[0]
        assert record.bbox[2] == columns[-1] + 1 - columns[0]
        assert record.crop_box == (0, 0, 70, 50)
        assert 0 <= record.predicted_iou <= 1
        assert 0 <= record.stability_score <= 1
        (x, y) = record.point_coords[0]
        assert 0 < x < 70
        assert 0 < y < 50


def test_best_predicted_iou_comes_first():
    ious = [record.predicted_iou for record in generate(box_nms_thresh=1.0)]
    assert len(ious) > 3
    assert ious == sorted(ious, reverse=True)


def test_same_image_gives_the_same_records_whatever_the_batch():
    first, again, batched = generate(), generate(), generate(points_per_batch=3)
    assert [r.to_json() for r in first] == [r.to_json() for r in again]
    assert [r.area for r in first] == [r.area for r in batched]


def test_no_mask_may_pass():
    assert generate(pred_iou_thresh=1.0) == []
    assert generate(stability_score_thresh=1.1) == []
    assert generate(stability_score_thresh=1.1, full_size_stability=True) == []
    assert generate(pred_iou_thresh=1.0, crop_num_layers=1, min_mask_region_area=10) == []


def test_thresholds_drop_masks():
    ious = [record.predicted_iou for record in generate(box_nms_thresh=1.0)]
    cutoff = float(np.median(ious))
    kept = [record.predicted_iou for record in generate(box_nms_thresh=1.0, pred_iou_thresh=cutoff)]
    assert kept == [iou for iou in ious if iou > cutoff]


def test_masks_of_too_much_of_the_image_are_dropped():
    records = generate(box_nms_thresh=1.0)
    limit = sorted(record.area for record in records)[len(records) // 2]
    kept = generate(box_nms_thresh=1.0, max_mask_area_fraction=limit / 3500)
    assert 0 < len(kept) < len(records)
    assert max(record.area for record in kept) <= limit


def test_crops_add_masks_of_smaller_boxes():
    # Of 30 x 50 crops, 20 pixels from an inner edge is nearly everywhere: a larger image.
    generator = MaskGenerator(tiny_predictor(), crop_num_layers=1, **PERMISSIVE)
    image = noise_image(160, 200)
    records = generator.generate(image)
    assert all(record.segmentation.size == (160, 200) for record in records)
    assert {record.crop_box for record in records} >= {(0.0, 0.0, 200.0, 160.0)}


def test_small_regions_are_cleaned():
    records = generate(min_mask_region_area=60)
    assert records
    from anymask.core.regions import remove_small_regions

    for record in records:
        assert not remove_small_regions(record.segmentation.to_mask(), 60, "islands")[1]


def test_given_grid_is_where_it_clicks():
    records = generate(grids=[np.array([[0.5, 0.2]])])
    assert {record.point_coords for record in records} == {((35.0, 10.0),)}


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"points_per_side": 0}, "points_per_side must be at least 1, got 0"),
        ({"points_per_batch": 0}, "points_per_batch must be at least 1, got 0"),
        ({"box_nms_thresh": 1.5}, "box_nms_thresh must be between 0 and 1, got 1.5"),
        ({"crop_num_layers": -1}, "crop_num_layers must be between 0 and 8"),
        ({"min_mask_region_area": float("nan")}, "min_mask_region_area must be at least 0"),
        ({"grids": [], "crop_num_layers": 1}, "grids must hold one grid per layer"),
    ],
)
def test_options_out_of_range_are_told(options, text):
    with pytest.raises(InvalidInputError, match=text):
        MaskGenerator(tiny_predictor(), **options)


def test_command_offers_every_option_with_its_default():
    parameters = inspect.signature(MaskGenerator).parameters
    offered = {name: default for name, _, default, _ in OPTIONS}
    expected = {
        name: parameter.default
        for name, parameter in parameters.items()
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD and name != "predictor"
    }
    assert offered == expected


def test_thresholds_left_out_are_the_models_own():
    own = dataclasses.replace(tiny(), pred_iou_thresh=0.3, stability_score_thresh=0.4)
    generator = MaskGenerator(Predictor(build_sam(own), "own"))
    assert (generator.pred_iou_thresh, generator.stability_score_thresh) == (0.3, 0.4)
    asked = MaskGenerator(generator.predictor, pred_iou_thresh=0.0)
    assert (asked.pred_iou_thresh, asked.stability_score_thresh) == (0.0, 0.4)
