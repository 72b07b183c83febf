"""The studio's tools in a real browser: by keys alone, by fingers and a pen, read by axe-core.

Needs what `test_static_studio.py` needs.
"""

import json
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
skimage_data = pytest.importorskip("skimage.data")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    skip_without_browser()
    folder = tmp_path_factory.mktemp("tools") / "site"
    assert main(["serve", "--static", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("picture") / "coffee.png"
    Image.fromarray(skimage_data.coffee()).save(path)
    return path


def masks_of(path: Path) -> tuple[list[dict[str, Any]], list[np.ndarray]]:
    rows = json.loads(path.read_text())["annotations"]
    return rows, [Rle.from_coco(row["segmentation"]).to_mask() for row in rows]


def test_everything_can_be_done_with_keys_alone(site, picture, tmp_path):
    result = run_script("by_keys.mjs", site, picture, tmp_path)
    assert result["objects"] == ["cup", "Object 2", "Object 3"]
    rows, (cup, box, triangle) = masks_of(tmp_path / "coffee_coco.json")
    assert rows[0]["point_labels"] == [1, 0]
    assert len(rows[1]["box_prompt"]) == 4
    assert triangle.sum() == result["triangle"]
    assert not (triangle & (cup | box)).any()  # it was cut out of the others


def test_fingers_and_pen(site, picture):
    result = run_script("fingers.mjs", site, picture)
    assert result["zoomed"] > result["fitted"]


def test_masks_from_a_file_are_refined_and_drawn_on(site, picture, tmp_path):
    given = np.zeros((400, 600), dtype=bool)
    given[100:200, 150:300] = True
    given[120:124, 170:174] = False  # a hole of 16 pixels
    given[50:53, 500:503] = True  # a speck of 9
    hidden = np.zeros_like(given)
    hidden[150:250, 250:400] = True
    masks = {
        "images": [{"id": 5, "file_name": "coffee.png", "width": 600, "height": 400}],
        "categories": [{"id": 1, "name": "cup"}],
        "annotations": [
            {"image_id": 5, "category_id": 1, "segmentation": Rle.from_mask(mask).to_coco()}
            for mask in (given, hidden)
        ],
    }
    (tmp_path / "masks.json").write_text(json.dumps(masks))
    run_script("tools.mjs", site, picture, tmp_path / "masks.json", tmp_path)
    rows, (first, second) = masks_of(tmp_path / "coffee_coco.json")
    expected = np.zeros_like(given)
    expected[100:200, 150:300] = True  # cleaned up
    expected[150:200, 250:300] = False  # the other one was cut out
    expected[300:340, 100:180] = True  # a rectangle drawn as a polygon
    expected[310:330, 120:160] = False  # and another cut out of it
    np.testing.assert_array_equal(first, expected)
    np.testing.assert_array_equal(second, hidden)
    assert rows[0]["predicted_iou"] is None


def test_no_serious_finding_of_axe(site, picture):
    found = run_script("accessibility.mjs", site, picture)
    assert len(found) >= 16
    bad = [
        (screen, each["id"], each["at"])
        for screen, all_found in found.items()
        for each in all_found
        if each["impact"] in ("serious", "critical")
    ]
    assert not bad
