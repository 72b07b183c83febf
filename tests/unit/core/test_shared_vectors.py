"""The cases of tests/vectors, which the studio's TypeScript is held to as well."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from anymask.core.frames import ImageFrame
from anymask.core.geometry import mask_to_box
from anymask.core.image_io import resize_longest_side
from anymask.core.outlines import fill_outlines
from anymask.core.regions import remove_small_regions
from anymask.core.rle import Rle
from anymask.inference.embedding import MaskPrediction

VECTORS = Path(__file__).parents[2] / "vectors"


def cases(name: str) -> list[dict[str, Any]]:
    return json.loads((VECTORS / f"{name}.json").read_text())


@pytest.mark.parametrize("case", cases("rle"), ids=lambda case: case["name"])
def test_run_lengths(case):
    mask = Rle.from_coco({"size": case["size"], "counts": case["text"]})
    assert mask.counts.tolist() == case["counts"]
    assert mask.to_coco()["counts"] == case["text"]
    assert mask.area == case["area"]
    assert mask.to_box().tolist() == mask_to_box(mask.to_mask()).tolist() == case["box"]
    assert Rle.from_mask(mask.to_mask()) == mask


@pytest.mark.parametrize("case", cases("frames"), ids=str)
def test_frames(case):
    frame = ImageFrame(original_size=tuple(case["original_size"]), image_size=case["image_size"])
    assert list(frame.input_size) == case["input_size"]


@pytest.mark.parametrize("case", cases("polygons"), ids=lambda case: case["name"])
def test_polygons(case):
    outline = np.array(case["points"]).reshape(-1, 2)
    assert fill_outlines([outline], case["size"]).to_coco()["counts"] == case["text"]


@pytest.mark.parametrize("case", cases("regions"), ids=lambda case: case["name"])
def test_small_regions(case):
    mask = Rle.from_coco({"size": case["size"], "counts": case["text"]})
    filled = remove_small_regions(mask, case["min_hole"], "holes")
    cleaned = remove_small_regions(filled, case["min_speck"], "islands")
    assert cleaned.to_coco()["counts"] == case["cleaned"]


@pytest.mark.parametrize("case", cases("upscale"), ids=lambda case: str(case["original_size"]))
def test_masks_of_logits(case):
    side = case["side"]
    logits = np.array(case["logits"], dtype=np.float32).reshape(1, side, side)
    frame = ImageFrame(original_size=tuple(case["original_size"]), image_size=case["image_size"])
    prediction = MaskPrediction(
        low_res_logits=logits,
        iou_predictions=np.ones(1, dtype=np.float32),
        frame=frame,
        mask_threshold=case["threshold"],
    )
    assert Rle.from_mask(prediction.masks[0]).to_coco()["counts"] == case["text"]


@pytest.mark.parametrize("case", cases("resize"), ids=lambda case: str(case["size"]))
def test_scaled_pictures(case):
    image = np.array(case["pixels"], dtype=np.uint8).reshape(*case["size"], 3)
    scaled = resize_longest_side(image, case["image_size"])
    assert list(scaled.shape[:2]) == case["scaled_size"]
    assert scaled.reshape(-1).tolist() == case["scaled"]
