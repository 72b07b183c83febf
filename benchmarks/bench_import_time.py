"""Time of `import anymask` and of `anymask --help` in fresh processes, and whether torch came."""

import statistics
import subprocess
import sys
import time

COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "import anymask": [sys.executable, "-c", "import anymask"],
    "anymask --help": [sys.executable, "-m", "anymask.cli.main", "--help"],
}
PROBE = "import sys, anymask; print('torch' in sys.modules)"


def main() -> None:
    """Runs and prints."""
    repeats = 1 if "--smoke" in sys.argv else 7
    for name, command in COMMANDS.items():
        times = []
        for _ in range(repeats):
            started = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            times.append(1000 * (time.perf_counter() - started))
        print(f"{name:20} median {statistics.median(times):6.0f} ms  (of {repeats})")
    loaded = subprocess.run([sys.executable, "-c", PROBE], check=True, capture_output=True)
    print(f"torch loaded by `import anymask`: {loaded.stdout.decode().strip()}")


if __name__ == "__main__":
    main()
