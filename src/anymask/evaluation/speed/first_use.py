"""From nothing to a written mask: fresh processes, as a user starts them."""

import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from PIL import Image

from anymask.core.errors import AnymaskError
from anymask.evaluation.speed.setup import Setup
from anymask.evaluation.speed.timing import Times, take_turns


def time_first_use(
    setup: Setup, num_rounds: int, on_round: Callable[[], object] = lambda: None
) -> dict[str, Times]:
    """Seconds of fresh processes, each doing more than the one before.

    "start Python", "import torch", "load the model" (with the imports), and "segment": the whole
    command `anymask segment` with a click, to the written mask.

    Raises:
        AnymaskError: one of them failed; the text is its last line.
    """
    model = repr(setup.model)
    H, W = setup.image.shape[:2]
    with tempfile.TemporaryDirectory() as folder:
        photo = Path(setup.photo) if setup.photo else Path(folder) / "photo.png"
        if not setup.photo:
            Image.fromarray(setup.image).save(photo)
        segment = ["segment", str(photo), "--point", f"{W // 2},{H // 2}", "-o", folder]
        segment += ["--device", setup.device]
        segment += ["--model", setup.model] if setup.model else []
        load = f"import anymask; anymask.load_model({model}, device={setup.device!r})"
        commands: Mapping[str, list[str]] = {
            "start Python": ["-c", "pass"],
            "import torch": ["-c", "import torch"],
            "load the model": ["-c", load],
            "segment": ["-m", "anymask.cli.main", *segment],
        }
        actions = {name: _runner(arguments) for name, arguments in commands.items()}
        return take_turns(actions, num_rounds, on_round=on_round)


def _runner(arguments: list[str]) -> Callable[[], None]:
    def run() -> None:
        command = [sys.executable, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            last = (done.stderr.strip().splitlines() or ["no output"])[-1]
            raise AnymaskError(f"{' '.join(arguments)} must succeed, got: {last}")

    return run
