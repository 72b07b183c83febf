"""The decoder benchmark runs, and compares equal weights."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "bench_decoder.py"


def test_decoder_benchmark_compares_equal_weights() -> None:
    pytest.importorskip("segment_anything")
    pytest.importorskip("skimage")
    command = [sys.executable, str(SCRIPT), "--smoke", "--json"]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    report = json.loads(finished.stdout)
    for case in ("1 to logits", "3 to logits"):
        rows = report["official layout"][case]
        assert rows["reference"]["max_abs_error"] == 0
        assert rows["float32"]["max_abs_error"] < 1e-4
        assert 0 < rows["bfloat16"]["error_over_spread"] < 0.2
        assert report["default model"][case]["bfloat16"]["mean_iou"] > 0.9
