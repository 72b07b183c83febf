"""The studio without a server: a real browser on the folder that `anymask serve --static` writes.

Needs Chromium (CHROMIUM names another than /usr/bin/chromium), Node, and the built front end with
its tools (`make web`).
"""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from anymask.cli.main import main
from anymask.core.rle import Rle
from browsing import run_script, skip_without_browser

pytestmark = pytest.mark.slow
pytest.importorskip("onnxruntime")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    skip_without_browser()
    folder = tmp_path_factory.mktemp("studio") / "site"
    assert main(["serve", "--static", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def day(site: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """An annotator's work: what it left, and the exported COCO JSON."""
    skimage_data = pytest.importorskip("skimage.data")
    output = tmp_path_factory.mktemp("work")
    Image.fromarray(skimage_data.coffee()).save(output / "coffee.png")
    run_script("annotate.mjs", site, output / "coffee.png", output)
    return output, json.loads((output / "coffee_coco.json").read_text())


def masks_of(coco: dict[str, Any]) -> list[np.ndarray]:
    return [Rle.from_coco(row["segmentation"]).to_mask() for row in coco["annotations"]]


def test_the_export_is_what_was_done(day):
    _, coco = day
    assert coco["images"] == [{"id": 1, "file_name": "coffee.png", "width": 600, "height": 400}]
    names = {row["id"]: row["name"] for row in coco["categories"]}
    named = [names[row["category_id"]] for row in coco["annotations"]]
    assert named == ["cup", "object", "object"]
    first, second, third = coco["annotations"]
    assert first["point_labels"] == [1, 0]
    assert first["predicted_iou"] is None  # a brush has changed it
    assert len(second["box_prompt"]) == 4
    assert third["point_labels"] == [1]
    for row, mask in zip(coco["annotations"], masks_of(coco), strict=True):
        assert row["area"] == mask.sum() > 0
        x, y, width, height = row["bbox"]
        assert mask[y : y + height, x : x + width].sum() == row["area"]


def test_the_exported_masks_are_the_pixels_on_the_screen(day):
    output, coco = day
    shown = np.frombuffer((output / "shown.bin").read_bytes(), dtype=np.uint8).reshape(400, 600)
    np.testing.assert_array_equal(shown.astype(bool), np.any(masks_of(coco), axis=0))


def test_the_png_files_hold_the_same_masks(day):
    output, coco = day
    with zipfile.ZipFile(output / "coffee_masks.zip") as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["001_cup.png", "002.png", "003.png"]
        for name, mask in zip(archive.namelist(), masks_of(coco), strict=True):
            pixels = np.asarray(Image.open(io.BytesIO(archive.read(name))).convert("L"))
            np.testing.assert_array_equal(pixels, mask * np.uint8(255))


def test_the_browser_answers_as_python_does(day, site):
    from anymask.core.prompts import Prompt
    from anymask.inference.loading import load_predictor

    output, coco = day
    (asked,) = [row for row in coco["annotations"] if row["box_prompt"]]
    predictor = load_predictor(site / "model")
    embedding = predictor.embed(np.asarray(Image.open(output / "coffee.png")))
    answer = predictor.predict(embedding, Prompt(box=asked["box_prompt"]), multimask_output=False)
    mask = Rle.from_coco(asked["segmentation"]).to_mask()
    differing = (answer.masks[0] != mask).sum()
    assert differing <= 0.002 * mask.sum()  # pixels of the scaled picture are rounded elsewhere
