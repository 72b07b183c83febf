"""How fast a run is and where its time goes: cheap timers, and one line that is kept up to date."""

import os
import sys
import time
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from tqdm import tqdm

from anymask.training import log_rows

PHASES = ("data", "encoder", "losses", "backward", "optimizer")
_SMOOTHING = 0.05  # weight of the newest step in the shown averages


class StepTimer:
    """Marks the ends of a step's phases; on CUDA with events, so that nothing waits for them.

    A phase may come several times in a step (accumulated passes); its times are added.
    """

    def __init__(self, device: torch.device) -> None:
        self._on_cuda = device.type == "cuda"
        self._marks: list[tuple[str, Any]] = [("", self._now())]

    def mark(self, phase: str) -> None:
        """What was done since the last mark was this phase."""
        self._marks.append((phase, self._now()))

    def watch_encoder(self, model: nn.Module) -> None:
        """Ends the phase "encoder" whenever the part of the model of that name has run."""
        encoder = getattr(model, "image_encoder", None)
        if isinstance(encoder, nn.Module):
            encoder.register_forward_hook(lambda *_: self.mark("encoder"))

    def finish(self) -> "StepTimes":
        """The marks since the last start."""
        return StepTimes(self._marks, self._on_cuda)

    def restart(self) -> None:
        """A step begins now; what was done since the last mark is not counted."""
        self._marks = [("", self._now())]

    def _now(self) -> Any:
        if not self._on_cuda:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record()
        return event


class StepTimes:
    """The phases of a finished step."""

    def __init__(self, marks: list[tuple[str, Any]], on_cuda: bool) -> None:
        self._marks = marks
        self._on_cuda = on_cuda

    def seconds(self) -> dict[str, float]:
        """Seconds of each phase, and of all under "total"; waits for the GPU to get there."""
        if self._on_cuda:
            self._marks[-1][1].synchronize()
        totals = dict.fromkeys(PHASES, 0.0)
        for (_, begin), (phase, end) in zip(self._marks, self._marks[1:], strict=False):
            totals[phase] += 1e-3 * begin.elapsed_time(end) if self._on_cuda else end - begin
        return {"total": sum(totals.values()), **totals}


class ProgressLine:
    """A bar with time left, throughput and shares of the time; only on a terminal."""

    def __init__(self, *, num_steps: int, first_step: int, is_shown: bool) -> None:
        self._bar = tqdm(
            total=num_steps,
            initial=first_step,
            disable=None if is_shown else True,
            unit="step",
            smoothing=_SMOOTHING,
            dynamic_ncols=True,
        )
        self._averages: dict[str, float] = {}

    def show(self, row: Mapping[str, Any]) -> None:
        """Takes in a row of the log."""
        for key, value in row.items():
            if not key.startswith("val_"):
                before = self._averages.get(key, value)
                self._averages[key] = before + _SMOOTHING * (value - before)
        self._bar.set_postfix_str(throughput_text(self._averages), refresh=False)
        self._bar.update()

    def close(self) -> None:
        """Leaves the line as it is."""
        self._bar.close()


def throughput_text(row: Mapping[str, float]) -> str:
    """Loss, images and masks a second, and the phases' shares of the time, in one line."""
    rates = [f"{rate:.3g} {name}/s" for name, rate in log_rows.rates(row).items()]
    total = max(row["seconds"], 1e-9)
    shares = [f"{name} {100 * part / total:.0f}%" for name, part in log_rows.seconds(row).items()]
    return ", ".join([f"loss {row['loss']:.3f}", *rates, " ".join(shares)])


def say(line: str) -> None:
    """A line for the person who watches, above the progress bar; only the first process speaks."""
    if os.environ.get("RANK", "0") == "0":
        tqdm.write(line, file=sys.stderr)
