"""Our generator beside the reference's at equal options: the same masks, over photos and crops."""

from functools import cache

import numpy as np
import pytest
import torch
from PIL import Image

from anymask.core.rle import Rle
from anymask.inference import facade
from anymask.model.presets import tiny_vit
from reference_sam import import_segment_anything, vivid_pair

reference_package = import_segment_anything()
CONFIG = tiny_vit()
PHOTOS = ("coffee", "astronaut", "chelsea", "rocket", "hubble_deep_field")
OPTIONS = {
    "grid": {"points_per_side": 6, "pred_iou_thresh": -100.0, "stability_score_thresh": 0.0},
    "strict": {"points_per_side": 8, "pred_iou_thresh": 0.3, "stability_score_thresh": 0.3},
    "crops": {
        "points_per_side": 5,
        "pred_iou_thresh": -100.0,
        "stability_score_thresh": 0.0,
        "crop_n_layers": 1,
        "crop_n_points_downscale_factor": 2,
    },
}
COMMON = {"stability_score_offset": 0.3, "box_nms_thresh": 0.9, "output_mode": "uncompressed_rle"}


@cache
def pictures() -> tuple[np.ndarray, ...]:
    """Return ten pictures: scikit-image's photos, and a part of each in another shape."""
    data = pytest.importorskip("skimage.data")
    found = []
    for name in PHOTOS:
        photo = Image.fromarray(getattr(data, name)()).convert("RGB")
        width, height = photo.size
        found.append(np.array(photo.resize((240, 240 * height // width))))
        part = photo.crop((width // 4, height // 3, width // 2, height))
        found.append(np.array(part.resize((150, 200))))
    return tuple(found)


@cache
def models() -> tuple[torch.nn.Module, torch.nn.Module]:
    """Return the reference's tiny network and ours with its weights.

    Strong decoder weights and a high threshold give small masks of many shapes.
    """
    reference, ours = vivid_pair(CONFIG, pictures()[0])
    return reference, ours.eval()


def decoded(record: dict) -> np.ndarray:
    return Rle.from_coco(record["segmentation"]).to_mask()


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return np.count_nonzero(a & b) / max(1, np.count_nonzero(a | b))


@pytest.mark.slow
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_masks_boxes_and_scores_are_those_of_the_reference(options):
    reference, ours = models()
    theirs = reference_package.SamAutomaticMaskGenerator(reference, **COMMON, **options)
    mine = facade.SamAutomaticMaskGenerator(ours, **COMMON, **options)
    num_masks = 0
    for picture in pictures():
        # Ours drops empty masks; rounding alone decides whether a mask has its only pixel.
        expected, got = (
            [record for record in generator.generate(picture) if record["area"] > 1]
            for generator in (theirs, mine)
        )
        assert len(got) == len(expected)
        num_masks += len(got)
        for record, other in zip(got, expected, strict=True):
            assert iou(decoded(record), decoded(other)) >= 0.99
            assert np.abs(np.subtract(record["bbox"], other["bbox"])).max() <= 1
            assert record["predicted_iou"] == pytest.approx(other["predicted_iou"], abs=1e-3)
            assert record["stability_score"] == pytest.approx(other["stability_score"], abs=1e-3)
    assert num_masks > 30
