import dataclasses
import inspect

import numpy as np
import pytest

from anymask.cli.everything import OPTIONS
from anymask.core.errors import InvalidInputError
from anymask.core.regions import remove_small_regions
from anymask.inference.generator import MaskGenerator
from anymask.inference.mask_upscaling import MaskUpscaler
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
    assert generate(stability_score_thresh=1.1, full_size_decisions=True) == []
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
    for record in records:
        rle = record.segmentation
        assert remove_small_regions(rle, 60, "islands") is rle
    smallest = min(record.area for record in records)
    larger = generate(min_mask_region_area=60, min_mask_area=smallest + 1)
    assert len(larger) == sum(record.area > smallest for record in records)


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


def test_masks_of_a_crop_come_before_the_next_crop_is_looked_at(monkeypatch):
    generator = MaskGenerator(tiny_predictor(), crop_num_layers=1, **PERMISSIVE)
    image = noise_image(160, 200)
    expected = [record.to_json() for record in generator.generate(image)]
    embedded = []
    embed = generator.predictor.embed
    monkeypatch.setattr(
        generator.predictor, "embed", lambda x: (embedded.append(x.shape), embed(x))[1]
    )
    masks = generator.iter_masks(image)
    first = next(masks)
    assert len(embedded) < 5
    assert [first.to_json(), *(record.to_json() for record in masks)] == expected
    areas = [record.crop_box[2] * record.crop_box[3] for record in generator.generate(image)]
    assert areas == sorted(areas)


def test_stream_shows_masks_early_and_ends_with_those_of_generate():
    generator = MaskGenerator(
        tiny_predictor(), points_per_batch=3, min_mask_region_area=20, **PERMISSIVE
    )
    updates = list(generator.stream(noise_image()))
    assert [update.is_final for update in updates] == [False] * 6 + [True]
    assert updates[0].masks
    fractions = [update.fraction_done for update in updates]
    assert fractions == sorted(fractions)
    assert fractions[-2:] == [1.0, 1.0]
    shown = [record.id for update in updates[:-1] for record in update.masks]
    assert shown == list(range(1, len(shown) + 1))
    expected = [record.to_json() for record in generator.generate(noise_image())]
    assert [record.to_json() for record in updates[-1].masks] == expected


@pytest.mark.parametrize(("points_per_batch", "crop_num_layers"), [(5, 0), (64, 1)])
def test_adaptive_grid_asks_a_third_and_finds_masks_of_the_full_grid(
    monkeypatch, points_per_batch, crop_num_layers
):
    options = {**PERMISSIVE, "points_per_side": 6, "box_nms_thresh": 1.0}
    options |= {"crop_num_layers": crop_num_layers, "crop_nms_thresh": 1.0}
    image = noise_image(160, 200)
    full = MaskGenerator(tiny_predictor(), **options).generate(image)
    generator = MaskGenerator(
        tiny_predictor(), adaptive_grid=True, points_per_batch=points_per_batch, **options
    )
    asked = []
    decode = generator.predictor.decode

    def counting(embedding, packed, **kwargs):
        asked.append(len(packed.point_labels))
        return decode(embedding, packed, **kwargs)

    monkeypatch.setattr(generator.predictor, "decode", counting)
    found = generator.generate(image)
    assert sum(asked) == 12 * (1 + 4 * crop_num_layers)
    places = {(record.point_coords, record.crop_box) for record in full}
    assert {(record.point_coords, record.crop_box) for record in found} <= places
    assert 0 < len(found) < len(full)


def test_adaptive_grid_needs_a_regular_one():
    with pytest.raises(InvalidInputError, match="adaptive_grid must be off for given grids"):
        MaskGenerator(tiny_predictor(), adaptive_grid=True, grids=[np.array([[0.5, 0.5]])])


@pytest.mark.parametrize(("size", "value"), [((1, 1), 0), ((1, 90), 255), ((90, 1), 0)])
@pytest.mark.parametrize("options", [{"crop_num_layers": 2}, {"full_size_decisions": True}])
def test_degenerate_images_have_a_valid_answer(size, value, options):
    generator = MaskGenerator(
        tiny_predictor(), min_mask_region_area=4, **{**PERMISSIVE, "points_per_side": 2}, **options
    )
    for record in generator.generate(np.full((*size, 3), value, dtype=np.uint8)):
        assert record.segmentation.size == size
        assert record.area == record.segmentation.area > 0
        assert np.isfinite([record.predicted_iou, record.stability_score, *record.bbox]).all()


def test_answers_far_from_stable_go_unmeasured_and_the_masks_stay_the_same(monkeypatch):
    options = {"stability_score_thresh": 0.5, "stability_score_offset": 0.05}
    num_measured = []
    measures = MaskUpscaler.measures

    def counting(upscaler, logits, *args):
        num_measured.append(len(logits))
        return measures(upscaler, logits, *args)

    monkeypatch.setattr(MaskUpscaler, "measures", counting)
    fast, exact = (generate(**options, full_size_decisions=full) for full in (False, True))
    assert [record.to_json() for record in fast] == [record.to_json() for record in exact]
    few, all_ = num_measured
    assert 0 < len(fast) <= few < all_
