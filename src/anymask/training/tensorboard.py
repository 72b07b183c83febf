"""The log as TensorBoard events, where that package is installed."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from anymask.training import log_rows


@contextmanager
def event_writer(
    run_folder: Path, *, is_wanted: bool
) -> Iterator[Callable[[Mapping[str, Any]], None] | None]:
    """What takes the rows of a run's log; None when not wanted or TensorBoard is not installed.

    They become scalars, grouped, in the folder "tensorboard" of the run. Rows of steps that are
    run again replace the earlier ones.
    """
    writer_class = _writer_class() if is_wanted else None
    if writer_class is None:
        yield None
        return
    writer: Any = None

    def write(row: Mapping[str, Any]) -> None:
        nonlocal writer
        if writer is None:  # only now is it known where the run goes on
            writer = writer_class(str(run_folder / "tensorboard"), purge_step=row["step"])
        for name, value in scalars(row).items():
            writer.add_scalar(name, value, row["step"])

    try:
        yield write
    finally:
        if writer is not None:
            writer.close()


def scalars(row: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a row of the log by the names under which TensorBoard groups them."""
    groups = {
        "loss": log_rows.losses(row),
        "validation": log_rows.scores(row),
        "per_second": log_rows.rates(row),
        "seconds": log_rows.seconds(row),
    }
    named = {f"{group}/{name}": v for group, values in groups.items() for name, v in values.items()}
    return named | {name: row[name] for name in ("learning_rate", "gradient_norm") if name in row}


def _writer_class() -> type[Any] | None:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return None
    return SummaryWriter
