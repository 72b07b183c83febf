import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "bench_automatic.py"


@pytest.mark.slow
def test_time_and_memory_are_measured_and_drawn(shapes_folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    output, plot = tmp_path / "points.json", tmp_path / "curve.png"
    command = [sys.executable, str(SCRIPT), str(shapes_folder), "--smoke"]
    command += ["--output", str(output), "--plot", str(plot)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    points = json.loads(output.read_text())["points"]
    assert [point["num_photos"] for point in points] == [2, 4]
    assert all(point["worker_bytes"] > point["driver_bytes"] > 0 for point in points)
    assert plot.stat().st_size > 1000
