import dataclasses
import errno
import json
import math
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from anymask.core.errors import CheckpointError, InvalidInputError, OutputError
from anymask.model.checkpoints import build_sam, load_sam
from anymask.model.presets import tiny as tiny_model
from anymask.training.batches import make_batch
from anymask.training.config import PromptConfig, Stage, TrainConfig
from anymask.training.distributed import Scale
from anymask.training.examples import ImageCache, read_examples
from anymask.training.presets import tiny
from anymask.training.run_folder import RunFolder
from anymask.training.sam_objective import train_sam
from anymask.training.step import step_draws, training_losses
from anymask.training.validation import validate

GOLDEN = Path(__file__).parent / "tiny_loss_curve.json"


def _config(end_step: int, **changes: object) -> TrainConfig:
    stage = Stage(end_step=end_step, image_size=64, batch_size=4)
    config = dataclasses.replace(
        tiny(), stages=(stage,), checkpoint_every=5, validate_every=1000, validation_fraction=0.0
    )
    return dataclasses.replace(config, **changes)  # type: ignore[arg-type]


def _curve(folder: RunFolder) -> list[tuple[int, float]]:
    return [(row["step"], row["loss"]) for row in folder.read_log()]


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def test_killed_run_resumes_to_the_identical_curve(
    shapes_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = _config(12)
    whole = train_sam(config, [shapes_folder], tmp_path / "whole")

    killed_at = 8  # after the checkpoint of step 5; steps 5 to 7 are run again
    import anymask.training.loop as loop

    take_step: Callable[..., object] = loop.take_step

    def dying(run: Any, *args: object) -> object:
        if run.state.step == killed_at:
            raise KeyboardInterrupt
        return take_step(run, *args)

    monkeypatch.setattr(loop, "take_step", dying)
    with pytest.raises(KeyboardInterrupt):
        train_sam(config, [shapes_folder], tmp_path / "killed")
    monkeypatch.undo()
    resumed = train_sam(config, [shapes_folder], tmp_path / "killed")

    assert _curve(resumed) == _curve(whole)
    a, b = (load_sam(run.weights_path)[0].state_dict() for run in (whole, resumed))
    assert all(torch.equal(a[name], b[name]) for name in a)


def _command(data: Path, output: Path, *, end_step: int) -> list[str]:
    settings = [f"stages={end_step}:64:4", "checkpoint_every=2", "validation_fraction=0"]
    words = ["train", "tiny", str(data), "-o", str(output), "--no-tensorboard"]
    return [sys.executable, "-m", "anymask.cli.main", *words] + [
        word for setting in settings for word in ("--set", setting)
    ]


_ONE_THREAD = {**os.environ, "OMP_NUM_THREADS": "1"}


def _wait_for_rows(folder: RunFolder, count: int) -> None:
    deadline = time.monotonic() + 120
    while len(folder.read_log()) < count and time.monotonic() < deadline:
        time.sleep(0.01)


@pytest.mark.slow
def test_run_killed_five_times_ends_with_the_very_same_weights(
    shapes_folder: Path, tmp_path: Path
) -> None:
    moments = random.Random(0)
    killed = RunFolder(path=tmp_path / "killed")
    for _ in range(5):
        rows_before = len(killed.read_log())
        process = subprocess.Popen(
            _command(shapes_folder, killed.path, end_step=160), env=_ONE_THREAD
        )
        # the log is first rewound to the last checkpoint: two rows more are new ones
        _wait_for_rows(killed, rows_before + 2)
        time.sleep(moments.uniform(0.0, 0.2))
        process.kill()  # SIGKILL: nothing can be tidied up
        assert process.wait() == -signal.SIGKILL
    assert 10 <= len(killed.read_log()) < 160
    whole = RunFolder(path=tmp_path / "whole")
    for folder in (killed, whole):
        command = _command(shapes_folder, folder.path, end_step=160)
        subprocess.run(command, env=_ONE_THREAD, check=True, capture_output=True)
    assert len(_curve(killed)) == 160
    assert _curve(killed) == _curve(whole)
    assert killed.weights_path.read_bytes() == whole.weights_path.read_bytes()


def test_notice_to_stop_saves_and_the_run_goes_on_later(
    shapes_folder: Path, tmp_path: Path
) -> None:
    folder = RunFolder(path=tmp_path / "run")
    command = _command(shapes_folder, folder.path, end_step=2000)
    command[command.index("checkpoint_every=2")] = "checkpoint_every=1000"
    process = subprocess.Popen(
        [*command, "--json"], env=_ONE_THREAD, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    _wait_for_rows(folder, 3)
    process.terminate()
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    report = json.loads(out)
    assert report["is_finished"] is False
    assert 3 <= report["steps"] == len(folder.read_log()) < 1000
    state = torch.load(folder.checkpoint_path, weights_only=True)
    assert state["step"] == report["steps"]


def test_first_20_steps_follow_the_stored_curve(shapes_folder: Path, tmp_path: Path) -> None:
    folder = train_sam(_config(20), [shapes_folder], tmp_path / "run")
    losses = [loss for _, loss in _curve(folder)]
    stored = json.loads(GOLDEN.read_text())
    # processors round differently; a changed recipe moves the curve by far more
    assert losses == pytest.approx(stored, rel=2e-3)


def test_one_batch_can_be_learned_by_heart(shapes_folder: Path) -> None:
    config = dataclasses.replace(
        _config(1),
        stages=(Stage(end_step=1, image_size=64, batch_size=2),),
        prompts=PromptConfig(min_rounds=1, max_rounds=1),
    )
    examples, _ = read_examples([shapes_folder], validation_fraction=0.0, set_weights={})
    batch = make_batch(examples, ImageCache(), config, step=0)
    model = build_sam(tiny_model(), seed=1).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for step in range(300):
        for group in optimizer.param_groups:
            group["lr"] = 3e-3 * min(1.0, (step + 1) / 30, (300 - step) / 100)
        losses = training_losses(model, batch, config, step_draws(0, step))
        optimizer.zero_grad()
        losses.total.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
    scores = validate(model.eval(), [batch])
    assert scores["box"] > 0.85
    assert scores["click_oracle"] > 0.85


def test_run_leaves_config_log_checkpoint_and_weights(shapes_folder: Path, tmp_path: Path) -> None:
    config = _config(3, validate_every=3, validation_fraction=0.4)
    calls = []
    folder = train_sam(config, [shapes_folder], tmp_path / "run", on_validation=calls.append)
    assert {p.name for p in folder.path.iterdir()} == {
        "config.json",
        "log.jsonl",
        "checkpoint.pt",
        "weights.safetensors",
        "validation",
    }
    assert calls == [folder]
    assert 0 <= folder.read_log()[-1]["val_box"] <= 1


def test_time_limit_saves_and_stops(shapes_folder: Path, tmp_path: Path) -> None:
    folder = train_sam(_config(50), [shapes_folder], tmp_path / "run", max_minutes=0.0)
    assert len(folder.read_log()) == 1
    assert torch.load(folder.checkpoint_path, weights_only=True)["step"] == 1


def test_resume_with_other_settings_is_refused(shapes_folder: Path, tmp_path: Path) -> None:
    train_sam(_config(2), [shapes_folder], tmp_path / "run")
    with pytest.raises(InvalidInputError, match=r"other settings \(seed\)"):
        train_sam(_config(4, seed=9), [shapes_folder], tmp_path / "run")
    longer = train_sam(_config(4), [shapes_folder], tmp_path / "run")
    assert [step for step, _ in _curve(longer)] == [0, 1, 2, 3]


def test_damaged_checkpoint_says_so(shapes_folder: Path, tmp_path: Path) -> None:
    folder = train_sam(_config(2), [shapes_folder], tmp_path / "run")
    folder.checkpoint_path.write_bytes(folder.checkpoint_path.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="damaged"):
        train_sam(_config(4), [shapes_folder], tmp_path / "run")


def test_loss_that_is_not_finite_stops_the_run_and_keeps_the_checkpoint(
    shapes_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = train_sam(_config(5), [shapes_folder], tmp_path / "run")
    before = folder.checkpoint_path.read_bytes()
    import anymask.training.losses as losses

    monkeypatch.setattr(losses, "DICE_SMOOTHING", math.nan)
    with pytest.raises(InvalidInputError, match=r"not finite at step 5 \(.*first_dice"):
        train_sam(_config(10), [shapes_folder], tmp_path / "run")
    assert folder.checkpoint_path.read_bytes() == before


def test_checkpoint_that_cannot_be_written_leaves_the_one_before(
    shapes_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = train_sam(_config(5), [shapes_folder], tmp_path / "run")
    before = folder.checkpoint_path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("anymask.core.files.os.fsync", full)
    with pytest.raises(OutputError, match="No space left on device"):
        train_sam(_config(10), [shapes_folder], tmp_path / "run")
    monkeypatch.undo()
    assert folder.checkpoint_path.read_bytes() == before
    resumed = train_sam(_config(10), [shapes_folder], tmp_path / "run")
    assert [step for step, _ in _curve(resumed)] == list(range(10))


def test_finished_run_is_left_alone(shapes_folder: Path, tmp_path: Path) -> None:
    folder = train_sam(_config(3), [shapes_folder], tmp_path / "run")
    before = folder.weights_path.stat().st_mtime_ns
    train_sam(_config(3), [shapes_folder], tmp_path / "run")
    assert folder.weights_path.stat().st_mtime_ns == before
    assert len(folder.read_log()) == 3


def test_batch_that_cannot_be_divided_is_refused(shapes_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="1 processes x 5 passes, got 4 rows"):
        train_sam(_config(3), [shapes_folder], tmp_path / "run", scale=Scale(accumulate=5))


def test_accumulated_passes_learn_what_one_pass_learns(shapes_folder: Path, tmp_path: Path) -> None:
    config = _config(6)
    one = train_sam(config, [shapes_folder], tmp_path / "one")
    scale = Scale(accumulate=4, recompute=True)
    four = train_sam(config, [shapes_folder], tmp_path / "four", scale=scale)
    assert [loss for _, loss in _curve(four)] == pytest.approx(
        [loss for _, loss in _curve(one)], rel=1e-3
    )
    assert [row["num_masks"] for row in four.read_log()] == [8] * 6
