"""The encoder benchmark runs, and its figures are those of the equal weights it claims."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "bench_encoder.py"


def test_encoder_benchmark_compares_equal_weights() -> None:
    pytest.importorskip("segment_anything")
    command = [sys.executable, str(SCRIPT), "--smoke", "--json", "--no-memory", "--batches", "1"]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    rows = json.loads(finished.stdout)["contenders"]
    assert rows["reference"]["relative_error"] == 0
    assert rows["float32"]["relative_error"] < 1e-5
    assert 1e-5 < rows["bfloat16"]["relative_error"] < 0.012
