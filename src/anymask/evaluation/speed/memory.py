"""Peak memory of one task, in a process of its own: a peak is never given back.

Run as `python -m anymask.evaluation.speed.memory`, with the setup, the contender and the task as
lines on its standard input; prints two numbers of bytes.
"""

import resource
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from anymask.core.errors import AnymaskError
from anymask.evaluation.speed.setup import Setup
from anymask.evaluation.speed.tasks import TASKS


@dataclass(frozen=True, kw_only=True)
class Peak:
    """Resident memory in bytes: with the model built and ready, and at most."""

    before: int
    peak: int


def measure_peak(setup: Setup, contender: str, task: str) -> Peak:
    """The memory that a fresh process takes for one run of a task.

    Raises:
        AnymaskError: the process failed; the text is its last line.
    """
    command = [sys.executable, "-m", "anymask.evaluation.speed.memory"]
    request = f"{setup.to_json()}\n{contender}\n{task}"
    done = subprocess.run(command, input=request, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or ["no output"])[-1]
        raise AnymaskError(f"{contender} must finish {task} in a process of its own, got: {last}")
    before, peak = map(int, done.stdout.split())
    return Peak(before=before, peak=peak)


def peak_bytes() -> int:
    """Peak resident memory of this process since it started its program.

    Linux's own counter where there is one: `getrusage` also counts what the parent had when it
    started the process.
    """
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else 1024 * peak
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def _main() -> None:
    request, name, task = sys.stdin.read().splitlines()
    setup = Setup.from_json(request)
    contender = setup.build(name)
    before = peak_bytes()
    prepared = TASKS[task].prepare(contender, setup)
    prepared()
    sys.stdout.write(f"{before} {peak_bytes()}\n")


if __name__ == "__main__":
    _main()
