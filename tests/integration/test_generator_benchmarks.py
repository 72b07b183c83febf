"""The benchmarks of "segment everything" run, and compare like with like."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "benchmarks"


def run(script: str, *arguments: str) -> str:
    command = [sys.executable, str(FOLDER / script), "--smoke", *arguments]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def test_generators_find_as_many_masks_with_equal_weights() -> None:
    pytest.importorskip("segment_anything")
    pytest.importorskip("skimage")
    rows = json.loads(run("bench_generator.py", "--json", "--no-memory"))["contenders"]
    assert rows["segment-anything"]["num_masks"] == rows["anymask float32"]["num_masks"] > 0
    assert rows["segment-anything"]["ratio"]["median"] == 1.0
    assert 0 < rows["anymask adaptive grid"]["num_masks"] <= rows["anymask"]["num_masks"]


def test_cost_curves_are_measured_and_drawn(tmp_path: Path) -> None:
    pytest.importorskip("skimage")
    pytest.importorskip("matplotlib")
    plot, output = tmp_path / "curves.png", tmp_path / "curves.json"
    run("cost_curves.py", "--plot", str(plot), "--output", str(output))
    assert plot.stat().st_size > 1000
    curves = json.loads(output.read_text())["curves"]
    assert len(curves) == 4
    assert all(min(curve["seconds"]) > 0 for curve in curves.values())


def test_recall_of_both_grids_is_over_the_same_masks(shapes_folder: Path) -> None:
    first, *rows = run("adaptive_recall.py", str(shapes_folder), "--max-images", "2").splitlines()
    assert "adaptive asks 0.312 of them" in first
    (row,) = map(json.loads, rows)
    assert row["images"] == 2
    recall, (difference, low, high) = row["average_recall"], row["average_recall_difference"]
    assert difference == pytest.approx(recall["adaptive"] - recall["full"])
    assert low <= difference <= high
    assert all(row["recall_at_50"][name] >= recall[name] for name in recall)
