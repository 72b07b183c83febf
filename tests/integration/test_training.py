import dataclasses
import json
import math
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from anymask.core.errors import CheckpointError, InvalidInputError
from anymask.model.checkpoints import build_sam, load_sam
from anymask.model.presets import tiny as tiny_model
from anymask.training.batches import make_batch
from anymask.training.config import PromptConfig, Stage, TrainConfig
from anymask.training.examples import ImageCache, read_examples
from anymask.training.loop import train
from anymask.training.presets import tiny
from anymask.training.run_folder import RunFolder
from anymask.training.step import step_generator, training_losses
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
    whole = train(config, [shapes_folder], tmp_path / "whole")

    killed_at = 8  # after the checkpoint of step 5; steps 5 to 7 are run again
    import anymask.training.loop as loop

    take_step: Callable[..., dict[str, float]] = loop._take_step

    def dying(run: object, *args: object) -> dict[str, float]:
        if run.step == killed_at:  # type: ignore[attr-defined]
            raise KeyboardInterrupt
        return take_step(run, *args)

    monkeypatch.setattr(loop, "_take_step", dying)
    with pytest.raises(KeyboardInterrupt):
        train(config, [shapes_folder], tmp_path / "killed")
    monkeypatch.undo()
    resumed = train(config, [shapes_folder], tmp_path / "killed")

    assert _curve(resumed) == _curve(whole)
    a, b = (load_sam(run.weights_path)[0].state_dict() for run in (whole, resumed))
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_run_killed_by_the_system_goes_on_as_if_it_had_not_been(
    shapes_folder: Path, tmp_path: Path
) -> None:
    def command(output: Path) -> list[str]:
        settings = ["stages=40:64:4", "checkpoint_every=4", "validation_fraction=0"]
        train_command = ["-m", "anymask.cli.main", "train", "tiny", str(shapes_folder)]
        return [sys.executable, *train_command, "-o", str(output)] + [
            word for setting in settings for word in ("--set", setting)
        ]

    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    killed = tmp_path / "killed"
    process = subprocess.Popen(command(killed), env=environment, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while len(RunFolder(path=killed).read_log()) < 10 and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert len(RunFolder(path=killed).read_log()) < 40
    for output in (killed, tmp_path / "whole"):
        subprocess.run(command(output), env=environment, check=True, capture_output=True)

    a, b = (RunFolder(path=folder) for folder in (killed, tmp_path / "whole"))
    assert len(_curve(a)) == 40
    assert _curve(a) == _curve(b)
    assert a.weights_path.read_bytes() == b.weights_path.read_bytes()


def test_first_20_steps_follow_the_stored_curve(shapes_folder: Path, tmp_path: Path) -> None:
    folder = train(_config(20), [shapes_folder], tmp_path / "run")
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
        losses = training_losses(model, batch, config, step_generator(0, step))
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
    folder = train(config, [shapes_folder], tmp_path / "run", on_validation=calls.append)
    assert {p.name for p in folder.path.iterdir()} == {
        "config.json",
        "log.jsonl",
        "checkpoint.pt",
        "weights.safetensors",
    }
    assert calls == [folder]
    assert 0 <= folder.read_log()[-1]["val_box"] <= 1


def test_time_limit_saves_and_stops(shapes_folder: Path, tmp_path: Path) -> None:
    folder = train(_config(50), [shapes_folder], tmp_path / "run", max_minutes=0.0)
    assert len(folder.read_log()) == 1
    state = folder.load_checkpoint()
    assert state is not None
    assert state["step"] == 1


def test_resume_with_other_settings_is_refused(shapes_folder: Path, tmp_path: Path) -> None:
    train(_config(2), [shapes_folder], tmp_path / "run")
    with pytest.raises(InvalidInputError, match=r"other settings \(seed\)"):
        train(_config(4, seed=9), [shapes_folder], tmp_path / "run")
    longer = train(_config(4), [shapes_folder], tmp_path / "run")
    assert [step for step, _ in _curve(longer)] == [0, 1, 2, 3]


def test_damaged_checkpoint_says_so(shapes_folder: Path, tmp_path: Path) -> None:
    folder = train(_config(2), [shapes_folder], tmp_path / "run")
    folder.checkpoint_path.write_bytes(folder.checkpoint_path.read_bytes()[:1000])
    with pytest.raises(CheckpointError, match="damaged"):
        train(_config(4), [shapes_folder], tmp_path / "run")


def test_loss_that_is_not_finite_stops_the_run_and_keeps_the_checkpoint(
    shapes_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = train(_config(5), [shapes_folder], tmp_path / "run")
    before = folder.checkpoint_path.read_bytes()
    import anymask.training.losses as losses

    monkeypatch.setattr(losses, "DICE_SMOOTHING", math.nan)
    with pytest.raises(InvalidInputError, match=r"not finite at step 5 \(.*first_dice"):
        train(_config(10), [shapes_folder], tmp_path / "run")
    assert folder.checkpoint_path.read_bytes() == before
