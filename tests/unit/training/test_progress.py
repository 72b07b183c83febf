import time
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from anymask.training import log_rows
from anymask.training.curves import plot_curves
from anymask.training.progress import StepTimer, throughput_text
from anymask.training.run_folder import RunFolder
from anymask.training.tensorboard import event_writer, scalars


def _row(step: int, **more: float) -> dict[str, Any]:
    times = {"seconds_data": 0.1, "seconds_encoder": 0.3, "seconds_backward": 0.1}
    sizes = {"num_images": 8, "num_masks": 32}
    row = {"step": step, "loss": 2.0 / (step + 1), "first_dice": 0.5, "affinity": 0.0}
    return {**row, "learning_rate": 1e-3, **sizes, "seconds": 0.5, **times, **more}


class _Encoder(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.image_encoder = nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        time.sleep(0.02)
        x = self.image_encoder(x)
        time.sleep(0.03)
        return x


def test_timer_adds_up_phases_and_knows_where_the_encoder_ends() -> None:
    timer, model = StepTimer(torch.device("cpu")), _Encoder()
    timer.watch_encoder(model)
    timer.restart()
    timer.mark("data")
    for _ in range(2):
        model(torch.zeros(1))
        timer.mark("losses")
    found = timer.finish().seconds()
    assert found["encoder"] >= 0.04
    assert found["losses"] >= 0.06
    assert found["optimizer"] == 0.0
    assert found["total"] == pytest.approx(sum(v for k, v in found.items() if k != "total"))


def test_throughput_says_rates_and_shares_of_time() -> None:
    text = throughput_text(_row(0))
    assert text.startswith("loss 2.000, 16 images/s, 64 masks/s")
    assert "data 20% encoder 60% backward 20%" in text


def test_numbers_of_a_row_are_told_apart() -> None:
    row = _row(3, val_box=0.7, text_link=0.2)
    assert log_rows.losses(row).keys() == {"loss", "first_dice", "affinity", "text_link"}
    assert log_rows.scores(row) == {"box": 0.7}
    assert log_rows.rates(row) == {"images": 16.0, "masks": 64.0}
    assert log_rows.latest_scores([_row(0, val_box=0.1), row, _row(4)]) == {"box": 0.7}


@pytest.mark.parametrize("num_rows", [1, 3, 240])
def test_curves_are_drawn_of_any_run(tmp_path: Path, num_rows: int) -> None:
    folder = RunFolder(path=tmp_path)
    for step in range(num_rows):
        folder.append_log(_row(step, **({"val_box": 0.5} if step % 2 == 0 else {})))
    plot_curves(folder)
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_curves_of_a_log_that_an_earlier_version_began(tmp_path: Path) -> None:
    folder = RunFolder(path=tmp_path)
    for step in range(6):
        row = _row(step)
        if step < 4:
            row = {k: v for k, v in row.items() if "seconds_" not in k and k != "num_masks"}
        folder.append_log(row)
    plot_curves(folder)
    assert (tmp_path / "curves.png").exists()


def test_tensorboard_has_the_scalars_and_forgets_steps_run_again(tmp_path: Path) -> None:
    events = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", exc_type=ImportError
    )
    for first, last in ((0, 6), (3, 5)):
        with event_writer(tmp_path, is_wanted=True) as write:
            assert write is not None
            for step in range(first, last):
                write(_row(step, loss=10.0 * first + step))
    found = events.EventAccumulator(str(tmp_path / "tensorboard"))
    found.Reload()
    losses = [(event.step, event.value) for event in found.Scalars("loss/loss")]
    assert losses == [(0, 0.0), (1, 1.0), (2, 2.0), (3, 33.0), (4, 34.0)]
    assert set(found.Tags()["scalars"]) == set(scalars(_row(0)))


def test_nothing_is_written_when_tensorboard_is_not_wanted(tmp_path: Path) -> None:
    with event_writer(tmp_path, is_wanted=False) as write:
        assert write is None
    assert not list(tmp_path.iterdir())
