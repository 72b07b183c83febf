"""Training on archives: by the command, on another number of processes' rows, and after a stop."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from anymask.cli.main import main
from anymask.model.checkpoints import load_sam
from anymask.training.config import Stage, StreamConfig, TrainConfig
from anymask.training.presets import tiny
from anymask.training.run_folder import RunFolder
from anymask.training.sam_objective import train_sam
from sa1b_archives import write_shards


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANYMASK_CACHE", str(tmp_path / "cache"))
    torch.set_num_threads(1)


def _config(**changes: Any) -> TrainConfig:
    config = dataclasses.replace(
        tiny(),
        stages=(Stage(end_step=4, image_size=64, batch_size=4),),
        checkpoint_every=3,
        validate_every=100,
        validation_fraction=0.2,
        stream=StreamConfig(num_lanes=2, buffer_size=4, max_validation_images=3),
    )
    return dataclasses.replace(config, **changes)


def _curve(folder: RunFolder) -> list[tuple[int, float]]:
    return [(row["step"], row["loss"]) for row in folder.read_log()]


@pytest.mark.parametrize("is_mixed", [False, True])
def test_a_stopped_run_on_archives_goes_on_to_the_same_weights(
    shapes_folder: Path, tmp_path: Path, is_mixed: bool
) -> None:
    write_shards(tmp_path / "shards", [9, 7], is_gzip=True)
    sources = [str(tmp_path / "shards"), *([str(shapes_folder)] if is_mixed else [])]
    whole = train_sam(_config(), sources, tmp_path / "whole")
    # a time limit that has passed: each call makes one step, saves, and returns
    for _ in range(4):
        stopped = train_sam(_config(), sources, tmp_path / "stopped", max_minutes=0.0)
    assert _curve(stopped) == _curve(whole)
    assert len(_curve(whole)) == 4
    assert 0 <= whole.read_log()[-1]["val_box"] <= 1
    a, b = (load_sam(run.weights_path)[0].state_dict() for run in (whole, stopped))
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_the_command_takes_archives(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shards = write_shards(tmp_path / "shards", [5, 4])
    row = str(tmp_path / "shards" / "sa_{000000..000001}.tar")
    settings = ["stages=2:64:4", "validation_fraction=0", "stream.num_lanes=2"]
    words = [word for setting in settings for word in ("--set", setting)]
    command = ["train", "tiny", row, "-o", str(tmp_path / "run"), "--json", *words]
    assert main(command) == 0
    assert json.loads(capsys.readouterr().out)["steps"] == 2
    Path(shards[1]).unlink()
    assert main([*command[:-6], "-o", str(tmp_path / "other")]) == 2
    assert "sa_000001.tar (1 of 2 are missing)" in capsys.readouterr().err
