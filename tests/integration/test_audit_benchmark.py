import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "audit_simulated.py"


@pytest.mark.slow
def test_photos_become_an_audit_whose_masks_move_to_the_truth(
    shapes_folder: Path, tmp_path: Path
) -> None:
    pytest.importorskip("matplotlib")
    command = [
        sys.executable,
        str(SCRIPT),
        str(shapes_folder),
        "-o",
        str(tmp_path),
        "--photos",
        "2",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    page, figures = done.stdout.splitlines()
    assert Path(page).read_text().startswith("<!doctype html>")
    groups = json.loads(figures)
    assert groups["all"]["images"] == 2
    # Discs and rectangles of one colour are found, and only what has a truth moves.
    assert groups["with_truth"]["kept"] + groups["with_truth"]["changed"] >= 2
    assert groups["all"]["changed"] == groups["with_truth"]["changed"]
    assert groups["with_truth"]["all"]["mean"]["value"] > 0.5
