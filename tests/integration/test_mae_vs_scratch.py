import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "mae_vs_scratch.py"


def test_the_comparison_runs_and_compares_the_same_runs(
    shapes_folder: Path, tmp_path: Path
) -> None:
    command = [sys.executable, str(SCRIPT), str(shapes_folder), "-o", str(tmp_path), "--smoke"]
    done = subprocess.run([*command, "--held-out", "0.4"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("| scratch |") == done.stdout.count("| from_mae |") == 1
    assert (tmp_path / "table.md").read_text().strip() == done.stdout.strip()
    configs = [
        (tmp_path / "seed-0" / start / "config.json").read_text()
        for start in ("scratch", "from_mae")
    ]
    assert configs[0] == configs[1]
