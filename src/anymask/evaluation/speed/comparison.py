"""Contenders side by side: times taken in turn, ratios round by round, memory, agreement."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from anymask.evaluation.speed.contenders import REFERENCE, Contender
from anymask.evaluation.speed.memory import Peak, measure_peak
from anymask.evaluation.speed.setup import Setup
from anymask.evaluation.speed.tasks import TASKS
from anymask.evaluation.speed.timing import Ratio, Times, ratio, take_turns


@dataclass(frozen=True, kw_only=True)
class SpeedRow:
    """One contender at one task.

    Attributes:
        task: its name.
        contender: its name.
        seconds: of one item (`Task.num_items`), a number a round.
        ratio: how many times faster than the baseline; None for the baseline.
        peak: memory, when it was measured.
        embedding_error: of "encode", the distance to the baseline's embedding as a fraction of its
            length; None for the baseline and for other tasks.
    """

    task: str
    contender: str
    seconds: tuple[float, ...]
    ratio: Ratio | None = None
    peak: Peak | None = None
    embedding_error: float | None = None


def compare(
    setup: Setup,
    tasks: Sequence[str],
    contender_names: Sequence[str],
    num_rounds: int,
    *,
    with_memory: bool = True,
    on_progress: Callable[[str], object] = lambda _: None,
) -> list[SpeedRow]:
    """The rows of all contenders at all tasks, task by task.

    The baseline is the reference where it takes part, else the last contender.

    Args:
        setup: what is timed.
        tasks: names of `TASKS`.
        contender_names: of `Setup.contender_names`.
        num_rounds: that are timed; one more warms up.
        with_memory: measure peak memory too, each in a process of its own.
        on_progress: told what is done next.

    Raises:
        AnymaskError: a contender cannot be built or fails in its own process.
    """
    contenders = {}
    for name in contender_names if tasks else ():
        on_progress(f"build {name}")
        contenders[name] = setup.build(name)
    rows: list[SpeedRow] = []
    for task in tasks:
        able = {name: c for name, c in contenders.items() if TASKS[task].can_do(c)}
        if not able:
            continue
        times = _time(setup, task, able, num_rounds, on_progress)
        baseline = REFERENCE if REFERENCE in able else list(able)[-1]
        errors = _errors(setup, able, baseline) if task == "encode" else {}
        for name, taken in times.items():
            peak = None
            if with_memory:
                on_progress(f"memory of {name}, {task}")
                peak = measure_peak(setup, name, task)
            rows.append(
                SpeedRow(
                    task=task,
                    contender=name,
                    seconds=taken.seconds,
                    ratio=None if name == baseline else ratio(times[baseline], taken),
                    peak=peak,
                    embedding_error=errors.get(name),
                )
            )
    return rows


def relative_error(found: Tensor, truth: Tensor) -> float:
    """The Frobenius norm of the difference, over that of the truth."""
    return float((found - truth).norm() / truth.norm())


def _time(
    setup: Setup,
    task: str,
    contenders: dict[str, Contender],
    num_rounds: int,
    on_progress: Callable[[str], object],
) -> dict[str, Times]:
    on_progress(f"time {task}")
    actions = {name: TASKS[task].prepare(c, setup) for name, c in contenders.items()}
    times = take_turns(actions, num_rounds, on_round=lambda: on_progress(f"time {task}"))
    items = TASKS[task].num_items(setup)
    return {
        name: Times(seconds=tuple(value / items for value in taken.seconds))
        for name, taken in times.items()
    }


def _errors(setup: Setup, contenders: dict[str, Contender], baseline: str) -> dict[str, float]:
    embeddings = {name: c.embedding(c.encode(setup.image)) for name, c in contenders.items()}
    truth = embeddings.pop(baseline)
    return {
        name: relative_error(found, truth)
        for name, found in embeddings.items()
        if found.shape == truth.shape
    }
